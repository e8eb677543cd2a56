// Orders from the page: who may give them, how a form proves that it is ours, and the answer that is shown once.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Logger } from 'pino'
import { createBoundedLog } from '../../bounded-log.ts'
import { oneLine } from '../../core/text.ts'
import { readOrder } from '../core/commands/orders.ts'
import type { Answer, PlacedAnswer } from '../core/views/page/forms.ts'

/** Carries out one command for a user; tells what came of it. */
export type RunOrder = (user: string, words: readonly string[]) => Promise<Answer>

/** A form that was taken: whether all that it orders was done, and where to look for what came of it. Or why it was not, with the HTTP status. */
export type Taken =
  | { readonly ok: true; readonly isDone: boolean; readonly answerId: string }
  | { readonly ok: false; readonly code: number; readonly reason: string; readonly text: string }

/** The orders of one process. */
export type OrderForms = {
  /** What a user's forms prove themselves with: another text for each page, or its compressed length would tell it (BREACH). */
  readonly tokenOf: (user: string) => string
  /** Takes a form of a user who may give orders. */
  readonly take: (request: IncomingMessage, user: string) => Promise<Taken>
  /** What came of an order of this user; null where there was none, or it is long ago. */
  readonly answer: (id: string | null, user: string) => PlacedAnswer | null
}

/** A thousand names of servers fit in. */
const mostBytes = 128 * 1024
const mostAnswers = 64
const longestAnswer = 600
const idBytes = 12
const proofBytes = 32

/** No order yet. Forms of a page that another process made are refused. */
export const createOrderForms = (run: RunOrder, log: Logger): OrderForms => {
  const key = randomBytes(32)
  const answers = new Map<string, PlacedAnswer & { readonly user: string }>()
  const bounded = createBoundedLog(log)
  const proofOf = (user: string): Buffer => createHmac('sha256', key).update(user).digest()
  const tokenOf = (user: string): string => {
    const mask = randomBytes(proofBytes)
    return Buffer.concat([mask, xor(mask, proofOf(user))]).toString('base64url')
  }
  const isOurs = (token: string, user: string): boolean => {
    const given = Buffer.from(token, 'base64url')
    if (given.length !== 2 * proofBytes) return false
    return timingSafeEqual(xor(given.subarray(0, proofBytes), given.subarray(proofBytes)), proofOf(user))
  }
  const keep = (answer: PlacedAnswer, user: string): string => {
    const id = randomBytes(idBytes).toString('base64url')
    answers.set(id, { ...answer, user })
    for (const old of [...answers.keys()].slice(0, -mostAnswers)) answers.delete(old)
    return id
  }
  const carryOut = async (form: URLSearchParams, user: string): Promise<Answer> => {
    const order = readOrder(form)
    if (!order.ok) return order
    const results: Answer[] = []
    for (const words of order.commands) results.push(await run(user, words))
    const failed = results.filter(({ ok }) => !ok)
    const told = failed.length === 0 ? results : failed
    return { ok: failed.length === 0, text: oneLine(told.map(({ text }) => text).join('; '), longestAnswer) }
  }
  return {
    tokenOf,
    take: async (request, user) => {
      const refuse = (code: number, reason: string, text: string): Taken => {
        const fields = { user, reason, source: request.socket.remoteAddress }
        bounded('warn', reason, fields, `Status page: an order of user ${user} was refused: ${text}`)
        return { ok: false, code, reason, text }
      }
      if (!isSameOrigin(request)) return refuse(403, 'origin', 'the form was not sent by this page')
      const type = request.headers['content-type'] ?? ''
      if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return refuse(415, 'body-type', 'it is no form')
      const body = await bodyOf(request)
      if (body === 'too-large') return refuse(413, body, 'the form is too large')
      if (body === 'gone') return refuse(400, body, 'the form was not sent to its end')
      const form = new URLSearchParams(body.text)
      if (!isOurs(form.get('token') ?? '', user)) {
        return refuse(
          403,
          'token',
          'the form has no token of yours; the page may be from before a restart: load it again',
        )
      }
      const answer = await carryOut(form, user)
      return { ok: true, isDone: answer.ok, answerId: keep({ ...answer, place: placeOf(form) }, user) }
    },
    answer: (id, user) => {
      const found = id === null ? undefined : answers.get(id)
      return found?.user === user ? { ok: found.ok, text: found.text, place: found.place } : null
    },
  }
}

const placeOf = (form: URLSearchParams): string => {
  const instance = form.get('instance')
  return instance === null ? `listener ${form.get('listener') ?? ''}` : `instance ${instance}`
}

const xor = (one: Buffer, other: Buffer): Buffer => Buffer.from(one.map((byte, i) => byte ^ (other[i] ?? 0)))

/** Browsers say where a form comes from; whoever does not is none. */
const isSameOrigin = ({ headers: { origin, host } }: IncomingMessage): boolean =>
  host !== undefined && (origin === `http://${host}` || origin === `https://${host}`)

/** The body, or why there is none. How long it may take is the server's `requestTimeout`. */
const bodyOf = (request: IncomingMessage): Promise<{ readonly text: string } | 'too-large' | 'gone'> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= mostBytes) chunks.push(chunk)
      else resolve('too-large')
    })
    request.once('end', () => resolve({ text: Buffer.concat(chunks).toString('utf8') }))
    request.once('close', () => resolve('gone'))
  })
