// What an HTTP answer says of a server: its status line first, then the report of our agent, then what was expected.

import { type HealthReport, parseHealthReport } from '../../../shared/health-report.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import { answeredIn, returnedIn, unpreparedFor } from './direct-return.ts'
import { failed, type Judgement, passed } from './result.ts'

/** What a check wants of an answer (HAProxy: `http-check expect`, `disable-on-404`). */
export type Expectation = {
  readonly status: readonly (readonly [number, number])[]
  readonly bodyContains: string | undefined
  readonly bodyMatches: { readonly test: (body: string) => boolean } | undefined
  readonly drainOn404: boolean
  /** Whether the connections that the agent's report tells to be free scale the server's weight. */
  readonly weightFromReport: boolean
  /** Where clients come in whom the server answers itself: its agent has to say that it is prepared for each. Usually none. */
  readonly directReturn?: readonly Endpoint[]
}

/** An answer as received. `contentType` is empty where it was not told. */
export type HttpAnswer = { readonly status: number; readonly contentType: string; readonly body: string }

const notFound = 404

/** Judges an answer. */
export const judgeAnswer = ({ status, contentType, body }: HttpAnswer, expected: Expectation): Judgement => {
  const report = contentType.startsWith('application/json') ? parseHealthReport(body) : undefined
  const told = report?.ok ? report.report : undefined
  return judge({ status, body, told, malformedReport: report?.ok === false ? report.reason : null }, expected)
}

/** Judges what an agent said by itself, as if it had been asked. */
export const judgeNews = (status: number, told: HealthReport, expected: Expectation): Judgement =>
  judge({ status, body: '', told, malformedReport: null }, expected)

type Told = {
  readonly status: number
  readonly body: string
  readonly told: HealthReport | undefined
  readonly malformedReport: Judgement['malformedReport']
}

const judge = (answer: Told, expected: Expectation): Judgement => {
  const returned = returnedIn(expected.directReturn ?? [], answer.told)
  const answersFor = answer.told === undefined ? {} : { answersFor: answeredIn(answer.told) }
  const judged: Judgement = {
    ...{ ...judgeHealth(answer, expected), ...answersFor },
    ...(returned === null ? {} : { returned }),
  }
  const unprepared = judged.passed ? unpreparedFor(expected.directReturn ?? [], answer.told) : null
  if (unprepared === null) return judged
  const { code, malformedReport, role, percent, ageMs } = judged
  const more = { code, malformedReport, role, percent, ageMs, hard: unprepared.hard }
  const refused = { ...failed('L7STS', 'not-prepared', unprepared.text, more), ...answersFor }
  return returned === null ? refused : { ...refused, returned }
}

const judgeHealth = ({ status, body, told, malformedReport }: Told, expected: Expectation): Judgement => {
  const percent = expected.weightFromReport ? (told?.connections_free_percent ?? null) : null
  // A force-fail file is looked for at each answer, whatever the age of the probe.
  const ageMs = told?.reason.code === 'force-fail' ? 0 : (told?.age_ms ?? null)
  const plain = { code: status, malformedReport, role: told?.role ?? 'unknown', percent, ageMs } as const
  if (status === notFound && expected.drainOn404) {
    return passed('L7OKC', told?.reason.text ?? 'status 404: no new sessions', {
      ...plain,
      drain: true,
      reason: told?.reason.code ?? 'drain',
    })
  }
  if (!expected.status.some(([low, high]) => status >= low && status <= high)) {
    if (told?.verdict === 'fail' && told.last_resort) {
      return passed('L7OKC', told.reason.text, { ...plain, lastResort: true, reason: told.reason.code })
    }
    const hard = told?.verdict === 'fail' && told.certainty === 'hard'
    const reason = told?.verdict === 'fail' ? told.reason.code : 'http-status'
    return failed('L7STS', reason, told?.reason.text ?? `HTTP status ${status}`, { ...plain, hard })
  }
  const { bodyContains, bodyMatches } = expected
  if ((bodyContains !== undefined && !body.includes(bodyContains)) || bodyMatches?.test(body) === false) {
    return failed('L7RSP', 'unexpected-body', `HTTP status ${status}, but the body is not what is expected`, plain)
  }
  const text = told === undefined ? `HTTP status ${status}` : [told.reason.text, ...told.warnings].join('; warning: ')
  return passed('L7OK', text, { ...plain, reason: told?.reason.code ?? 'ok' })
}

/**
 * Reads an answer from raw bytes as HAProxy does: the status line decides, whatever follows it. The classic check script
 * ends lines with `\r\n\n`, and tells a wrong Content-Length or none. Undefined without a complete status line.
 */
export const readLeniently = (text: string): HttpAnswer | undefined => {
  const [, digits, rest = ''] = /^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n([\s\S]*)$/.exec(text) ?? []
  if (digits === undefined) return undefined
  const headers = headerBlock(rest)
  const [, contentType = ''] = /^content-type:[ \t]*([^\r\n]*)/im.exec(headers) ?? []
  return { status: Number(digits), contentType: contentType.toLowerCase(), body: rest.slice(headers.length) }
}

/** Lines that look like headers, from the beginning on; empty lines between them are the script's. */
const headerBlock = (rest: string): string => /^(?:[!-9;-~]+:[^\n]*\n|[\r\n])*/.exec(rest)?.[0] ?? ''
