// Tests whether servers answer for the addresses of the direct datapath: at the start, when one comes up, and again where one does not.

import type { Logger } from 'pino'
import type { ListenerConfig } from '../../config/schema.ts'
import { probeText } from './core/path-probe.ts'
import { type ProbeTarget, probeServers } from './path-probe.ts'
import type { Segment } from './segment.ts'

/** What is wrong with a server. */
export type AnswerFinding = { readonly listener: string; readonly server: string; readonly text: string }

/** A test that is made again and again. */
export type AnswerTest = {
  /** A server may answer now that did not, or the other way round. Calls that come together are one. */
  readonly begin: (listener: string, server: string) => void
  readonly findings: () => readonly AnswerFinding[]
  readonly stop: () => void
}

export type AnswerTestOptions = {
  readonly listeners: () => readonly ListenerConfig[]
  readonly segment: Pick<Segment, 'endsOf' | 'pathOf'>
  readonly log: Logger
}

const settle = 200
/** A server without a known way is tried when it has one. */
const waitForWay = 1000
/** How often those are tried that do not answer. */
const pause = 30_000

type Place = AnswerFinding & { readonly target: ProbeTarget }

/** Nothing is tested before the first call. */
export const testAnswers = ({ listeners, segment, log }: AnswerTestOptions): AnswerTest => {
  /** By listener and server: when it is due, by performance.now(). */
  const due = new Map<string, number>()
  const findings = new Map<string, readonly AnswerFinding[]>()
  let said = new Map<string, string>()
  let timer: NodeJS.Timeout | undefined
  let [isRunning, isOver, isRefused] = [false, false, false]

  const plan = (key: string, delay: number): void => {
    due.set(key, Math.min(due.get(key) ?? Number.POSITIVE_INFINITY, performance.now() + delay))
    arm()
  }
  const arm = (): void => {
    clearTimeout(timer)
    const next = Math.min(...due.values())
    if (isOver || isRunning || !Number.isFinite(next)) return
    timer = setTimeout(() => void run(), Math.max(0, next - performance.now()))
  }
  const placesOf = (key: string): readonly Place[] | null => {
    const found = listeners().flatMap((listener) =>
      listener.servers.filter(({ name }) => keyOf(listener.name, name) === key).map((server) => ({ listener, server })),
    )[0]
    if (found === undefined) return []
    const { listener, server } = found
    const { address } = server.address
    // It is reached in any case.
    if (segment.pathOf(address)?.kind === 'here') return []
    const ends = segment.endsOf(address)
    if (ends === null) return null
    return listener.bind.map((bind) => ({
      listener: listener.name,
      server: server.name,
      text: '',
      target: { bind, ends },
    }))
  }
  const run = async (): Promise<void> => {
    isRunning = true
    const now = performance.now()
    const keys = [...due].filter(([, at]) => at <= now).map(([key]) => key)
    const places = keys.flatMap((key) => {
      due.delete(key)
      const found = placesOf(key)
      // The segment says so.
      if (found === null) plan(key, waitForWay)
      return found ?? []
    })
    const results = await probeServers(places.map(({ target }) => target))
    isRunning = false
    if (isOver) return
    if (results.ok) {
      isRefused = false
      for (const key of keys) findings.delete(key)
      for (const [i, { listener, server, target }] of places.entries()) {
        const text = probeText(results.value[i] ?? 'silent', target.bind)
        const key = keyOf(listener, server)
        if (text === null) continue
        findings.set(key, [...(findings.get(key) ?? []), { listener, server, text }])
        plan(key, pause)
      }
      say()
    } else {
      if (!isRefused) log.warn(`The ways to servers cannot be tried: ${results.text}`)
      isRefused = true
      for (const { listener, server } of places) plan(keyOf(listener, server), pause)
    }
    arm()
  }
  const all = (): readonly AnswerFinding[] => [...findings.values()].flat()
  const say = (): void => {
    const now = new Map(
      all().map(({ listener, server, text }) => [`${keyOf(listener, server)} ${text}`, keyOf(listener, server)]),
    )
    const failing = new Set(now.values())
    const configured = new Set(listeners().flatMap(({ name, servers }) => servers.map((one) => keyOf(name, one.name))))
    for (const text of now.keys()) if (!said.has(text)) log.warn(`Server ${text}`)
    for (const key of new Set(said.values())) {
      if (!failing.has(key) && configured.has(key))
        log.info(`Server ${key} answers for the addresses of its listener now`)
    }
    said = now
  }
  return {
    begin: (listener, server) => plan(keyOf(listener, server), settle),
    findings: all,
    stop: () => {
      isOver = true
      clearTimeout(timer)
    },
  }
}

const keyOf = (listener: string, server: string): string => `${listener}/${server}`
