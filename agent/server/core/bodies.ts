// The bodies that check scripts and load balancers in the field know, byte for byte.

import type { HealthReport } from '../../../shared/health-report.ts'
import { adviceFor } from '../../../shared/reason.ts'
import { oneLine } from '../../core/text.ts'

/** `response.body` of the configuration. */
export type BodyStyle = 'classic' | 'html' | 'percona' | 'json'

/** A body and the headers that belong to its style. */
export type Body = { readonly text: string; readonly headers: Readonly<Record<string, string>> }

const plain = { 'Content-Type': 'text/plain; charset=utf-8' }
const html = { 'Content-Type': 'text/html' }
const reasonLength = 512

/** The body for a report in one style. */
export const bodyOf = (report: HealthReport, style: BodyStyle): Body => {
  const passes = report.verdict === 'pass'
  switch (style) {
    case 'classic':
      return plainBody(
        passes ? 'MySQL is running.' : 'MySQL is *down*.',
        ...(passes
          ? []
          : [`${oneLine(reasonLine(report), reasonLength).replace(/\.+$/, '')}. ${adviceFor(report.reason.code)}`]),
      )
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
