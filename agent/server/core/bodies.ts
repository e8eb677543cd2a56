// The bodies that check scripts and load balancers in the field know, byte for byte.

import type { HealthReport } from '../../../shared/health-report.ts'
import { adviceFor } from '../../../shared/reason.ts'
import { oneLine } from '../../core/text.ts'

/** `response.body` of the configuration. */
export type BodyStyle = 'classic' | 'role' | 'html' | 'percona' | 'json'

/** A body and the headers that belong to its style. */
export type Body = { readonly text: string; readonly headers: Readonly<Record<string, string>> }

const plain = { 'Content-Type': 'text/plain; charset=utf-8' }
const html = { 'Content-Type': 'text/html' }
const reasonLength = 512

const running = 'MySQL is running.'

/** The body for a report in one style. */
export const bodyOf = (report: HealthReport, style: BodyStyle): Body => {
  const passes = report.verdict === 'pass'
  switch (style) {
    case 'classic':
      return plainBody(...(passes ? [running] : downLines(report)), ...unpreparedLines(report))
    case 'role':
      return plainBody(...(passes ? [roleLine(report)] : downLines(report)), ...unpreparedLines(report))
    case 'html': {
      const text = passes ? 'MySQL is running.' : 'MySQL is *down*.'
      return { text: `<html><body>${text}</body></html>`, headers: html }
    }
    case 'percona':
      return { text: `Percona XtraDB Cluster Node is ${perconaWord(report)}.\r\n`, headers: perconaHeaders }
    case 'json':
      return { text: `${JSON.stringify(report, null, 2)}\n`, headers: { 'Content-Type': 'application/json' } }
    default:
      return style satisfies never
  }
}

/**
 * The body for who asked nothing, and so looks for words: for some `is running.`, for others `master is running`. The other
 * styles have no role to tell.
 */
export const unaskedBody = (report: HealthReport, style: BodyStyle): Body =>
  style === 'classic' && report.verdict === 'pass' && report.role !== 'unknown'
    ? plainBody(running, roleLine(report))
    : bodyOf(report, style)

/** As the scripts say it that tell roles apart. */
const roleLine = ({ role }: HealthReport): string => {
  switch (role) {
    case 'primary':
      return 'MySQL master is running.'
    case 'replica':
      return 'MySQL slave is running.'
    case 'unknown':
      return running
    default:
      return role satisfies never
  }
}

const downLines = (report: HealthReport): readonly string[] => {
  const { code, text } = report.reason
  const said = oneLine(reasonLine({ ...report, reason: { code, text: withoutPraise(text) } }), reasonLength)
  return ['MySQL is *down*.', `${said.replace(/\.+$/, '')}. ${adviceFor(code)}`]
}

/** One line where this host is to answer clients of a balancer itself, and cannot yet. */
const unpreparedLines = ({ direct_return = [], warnings }: HealthReport): readonly string[] =>
  direct_return.every(({ ready }) => ready) ? [] : warnings.slice(0, 1).map((text) => `Warning: ${withoutPraise(text)}`)

/** What checks look for in an answer that is good. */
const praise = /running|synced|200 ok/i

/**
 * The text of a failure, for an answer in which checks look for words: an operator who writes that a backup is running must
 * not bring the node back by that.
 */
export const withoutPraise = (text: string): string => (praise.test(text) ? 'its text is on /status' : text)

/** Lines of plain text, each ended by CRLF. */
export const plainBody = (...lines: readonly string[]): Body => ({
  text: lines.map((line) => `${line}\r\n`).join(''),
  headers: plain,
})

/** `not-primary: wsrep_cluster_status is non-Primary` */
export const reasonLine = (report: HealthReport): string => `${report.reason.code}: ${report.reason.text}`

const perconaHeaders = { 'Content-Type': 'text/plain', Connection: 'close' }

const perconaWord = ({ verdict, reason }: HealthReport): string => {
  if (verdict === 'pass') return 'synced'
  switch (reason.code) {
    case 'force-fail':
      return 'manually disabled'
    case 'read-only':
      return 'read-only'
    default:
      return 'not synced'
  }
}
