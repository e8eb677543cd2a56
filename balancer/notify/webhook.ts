// One webhook: posts JSON, in order, again where that may help.

import { type IncomingMessage, request as requestPlainly } from 'node:http'
import { request as requestEncrypted } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WebhookConfig } from '../config/notify-schema.ts'
import { readHeaderFile } from '../config/secret-file.ts'
import { type Notification, notificationJson, pauseAfter } from './core/notification.ts'
import { answerText, connectionText } from './core/webhook-words.ts'

/** How it went; `text` never shows the address or the headers, which may be secret. */
export type Delivery = { readonly ok: boolean; readonly text: string }

const firstFailure = 400
/** Statuses after which the same request may succeed. */
const isPassing = (status: number): boolean => status >= 500 || status === 408 || status === 425 || status === 429
/** An answer is of no interest; more of it than this ends the connection. */
const mostAnswerBytes = 16 * 1024

/** Who receives it, as far as a log may say: scheme, host and port. */
export const webhookName = ({ url }: Pick<WebhookConfig, 'url'>): string => new URL(url).origin

/** Delivers a notification or tells why not. Never rejects; `signal` ends it at once. */
export const deliver = async (
  webhook: WebhookConfig,
  notification: Notification,
  signal: AbortSignal,
): Promise<Delivery> => {
  const secrets = secretHeaders(webhook)
  if (!secrets.ok) return { ok: false, text: secrets.text }
  const body = notificationJson(notification, (moment) => new Date(moment).toISOString())
  for (let attempt = 1; ; attempt += 1) {
    const { status, text } = await post(webhook, secrets.headers, body, signal)
    if (status !== null && status < firstFailure) return { ok: status < 300, text }
    const isFinal = (status !== null && !isPassing(status)) || attempt > webhook.retries || signal.aborted
    if (isFinal) return { ok: false, text: attempt === 1 ? text : `${text}, after ${attempt} attempts` }
    await sleep(pauseAfter(attempt), undefined, { signal }).catch(() => undefined)
  }
}

const post = async (
  { url, timeout, headers }: WebhookConfig,
  secrets: Readonly<Record<string, string>>,
  body: string,
  stopped: AbortSignal,
): Promise<{ readonly status: number | null; readonly text: string }> => {
  const late = AbortSignal.timeout(timeout)
  const all = merged({ 'content-type': 'application/json' }, headers, secrets)
  try {
    const answer = await ask(url, all, body, AbortSignal.any([late, stopped]))
    await skim(answer)
    return { status: answer.statusCode ?? 0, text: answerText(answer.statusCode ?? 0) }
  } catch (error) {
    if (stopped.aborted) return { status: null, text: 'given up, the balancer stops' }
    if (late.aborted) return { status: null, text: `no answer within ${timeout} ms` }
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
    return { status: null, text: connectionText(code) }
  }
}

/** Sends a request over a connection of its own; resolves when the head of the answer is here. */
const ask = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const request = new URL(url).protocol === 'https:' ? requestEncrypted : requestPlainly
    request(url, { method: 'POST', agent: false, headers, signal }, resolve).on('error', reject).end(body)
  })

/** Takes the rest of an answer, or the beginning of a long one. One that breaks off has been an answer all the same. */
const skim = (answer: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    let bytes = 0
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > mostAnswerBytes) answer.destroy()
    })
    answer.on('error', () => {})
    answer.once('close', resolve)
  })

const secretHeaders = ({
  header_files: files,
}: WebhookConfig):
  | { readonly ok: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly text: string } => {
  const headers: Record<string, string> = {}
  for (const [name, file] of Object.entries(files)) {
    const read = readHeaderFile(file)
    if (!read.ok) return { ok: false, text: read.problem }
    headers[name] = read.secret
  }
  return { ok: true, headers }
}

/** The later of two with one name counts: names of headers differ in more than their case. */
const merged = (...all: readonly Readonly<Record<string, string>>[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    all.flatMap((headers) => Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)),
  )
