// What can be read over HTTP: each document with its path, its type, and how it is made from the status.

import { csvOf } from './core/csv.ts'
import { healthzOf } from './core/healthz.ts'
import { renderPage } from './core/page.ts'
import { toJson } from './core/show.ts'
import type { Status } from './core/status.ts'
import { createMetrics, otherNames } from './metrics.ts'

/** The documents there are; the page is at `admin.http.path`, html. */
export const documentNames = ['page', 'json', 'csv', 'metrics', 'healthz'] as const
export type DocumentName = (typeof documentNames)[number]

/** An answer: its HTTP status, its type, its text. */
export type Rendered = { readonly code: number; readonly type: string; readonly text: string }

/** A request for one: its query, and how often a browser is to ask for the page again, in seconds. */
export type Question = { readonly query: URLSearchParams; readonly refreshSeconds: number }

/** Which document a path asks for; undefined where it is none. `page` is where the page is. */
export const documentAt = (path: string, page: string): DocumentName | undefined => {
  const below = page.replace(/\/$/, '')
  switch (path) {
    case page:
      return 'page'
    case `${below}/json`:
      return 'json'
    // HAProxy: `stats uri` with `;csv` behind it.
    case `${page};csv`:
    case `${below}/csv`:
      return 'csv'
    case '/metrics':
      return 'metrics'
    case '/healthz':
      return 'healthz'
    default:
      return undefined
  }
}

/** Makes one. */
export type Documents = (name: DocumentName, status: Status, question: Question) => Promise<Rendered>

/** Begins to collect the metrics of this process. */
export const createDocuments = (): Documents => {
  const metrics = createMetrics()
  return async (name, status, { query, refreshSeconds }) => {
    switch (name) {
      case 'page':
        return ok('text/html', renderPage(status, refreshSeconds))
      case 'json':
        return ok('application/json', `${toJson(status)}\n`)
      case 'csv':
        return ok('text/plain', csvOf(status))
      case 'metrics': {
        const asked = query.getAll('names').flatMap((value) => value.split(','))
        const { text, type } = await metrics(status, new Set(otherNames.filter((name) => asked.includes(name))))
        return ok(type, text)
      }
      case 'healthz': {
        const { ok: isWell, lines } = healthzOf(status)
        return { code: isWell ? 200 : 503, type: 'text/plain', text: isWell ? 'ok\n' : `${lines.join('\n')}\n` }
      }
      default:
        return name satisfies never
    }
  }
}

const ok = (type: string, text: string): Rendered => ({ code: 200, type, text })
