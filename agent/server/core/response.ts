// From what was asked and the report to the answer: status, headers, bytes.

import type { HealthReport } from '../../../shared/health-report.ts'
import { watchPath } from '../../../shared/health-stream.ts'
import type { ReasonCode } from '../../../shared/reason.ts'
import { oneLine } from '../../core/text.ts'
import type { Question } from '../../verdict/core/question.ts'
import { type Body, type BodyStyle, bodyOf, plainBody, unaskedBody, withoutPraise } from './bodies.ts'
import { type Asked, paths } from './request.ts'

/** An HTTP answer. `body` is what a GET gets; a HEAD gets its length. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const headerTextLength = 256

/** Where answers come from; each is asked for only where it plays a part. */
export type AnswerSources = {
  readonly report: (question?: Question) => Promise<HealthReport>
  readonly metrics: () => Promise<Body>
}

/** The answer to a request. */
export const answerTo = async (asked: Asked, { report, metrics }: AnswerSources, style: BodyStyle): Promise<Answer> => {
  switch (asked.asks) {
    case 'check':
      return checkAnswer(asked.wantsJson ? 'json' : style, asked.maintenance404, await report(asked.question))
    case 'status':
      return statusAnswer(await report())
    case 'liveness':
      return answer(200, 'ok', 'the agent answers', plainBody('The agent is running.'))
    case 'metrics':
      return answer(200, 'ok', 'metrics of the agent', await metrics())
    case 'watch':
      return { ...watchAnswer, headers: { ...watchAnswer.headers, 'Content-Length': '0' } }
    case 'nothing':
      return refusal(asked.status, asked.text)
    default:
      return asked satisfies never
  }
}

/** The answer to a client that says nothing: that of `/`. */
export const unaskedAnswer = async ({ report }: AnswerSources, style: BodyStyle): Promise<Answer> => {
  const told = await report()
  const { code, text } = told.reason
  return answer(told.verdict === 'pass' ? 200 : 503, code, text, unaskedBody(told, style))
}

/** The status of an answer to a check. */
export const statusOf = ({ verdict, reason }: HealthReport, maintenance404: boolean): 200 | 404 | 503 =>
  verdict === 'pass' ? 200 : reason.code === 'force-fail' && maintenance404 ? 404 : 503

const checkAnswer = (style: BodyStyle, maintenance404: boolean, report: HealthReport): Answer => {
  const { code, text } = report.reason
  const made = answer(statusOf(report, maintenance404), code, text, bodyOf(report, style))
  // Who asks again and again learns that there is something better.
  return { ...made, headers: { ...made.headers, 'Mysqlchk-Watch': watchPath } }
}

/** The head of a stream; to a HEAD request it is all that there is. */
export const watchAnswer: Answer = {
  status: 200,
  headers: {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'Mysqlchk-Reason': 'ok; the stream of what is found',
  },
  body: '',
}

const statusAnswer = (report: HealthReport): Answer =>
  answer(200, report.reason.code, report.reason.text, bodyOf(report, 'json'))

/** The answer to a request that cannot be served; the connection may stay open. */
export const refusal = (status: number, text: string): Answer => {
  const plainAnswer = answer(status, 'not-applicable', text, plainBody(`${text}. Paths: ${paths.join(' ')}`))
  return status === 405
    ? { ...plainAnswer, headers: { ...plainAnswer.headers, Allow: 'GET, HEAD, OPTIONS' } }
    : plainAnswer
}

const answer = (status: number, code: ReasonCode, text: string, { text: body, headers }: Body): Answer => ({
  status,
  headers: {
    ...headers,
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    'Mysqlchk-Reason': `${code}; ${headerSafe(status === 200 ? text : withoutPraise(text))}`,
  },
  body,
})

/** Header values are printable ASCII here, whatever a force-fail file says. */
const headerSafe = (text: string): string => oneLine(text, headerTextLength).replace(/[^ -~]/g, '?')
