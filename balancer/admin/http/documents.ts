// What can be read over HTTP: each document with its path, its type, and how it is made from what the page shows.

import { statusJsonSchema } from '../core/model/status-json-schema.ts'
import { csvOf } from '../core/views/csv.ts'
import { healthzOf } from '../core/views/healthz.ts'
import { type Page, renderPage } from '../core/views/page/page.ts'
import { showEvents, toJson } from '../core/views/show.ts'
import { inSlices } from './in-slices.ts'
import { createMetrics, otherNames } from './metrics.ts'

/** The documents there are; the page is at `admin.http.path`, html. `live` is the stream of a page that is open. */
export type DocumentName = 'page' | 'live' | 'json' | 'schema' | 'csv' | 'metrics' | 'healthz' | 'events'

/** An answer: its HTTP status, its type, its text. */
export type Rendered = { readonly code: number; readonly type: string; readonly text: string }

/** Which document a path asks for; undefined where it is none. `page` is where the page is. */
export const documentAt = (path: string, page: string): DocumentName | undefined => {
  const below = page.replace(/\/$/, '')
  switch (path) {
    case page:
      return 'page'
    case `${below}/json`:
      return 'json'
    case `${below}/schema.json`:
      return 'schema'
    // HAProxy: `stats uri` with `;csv` behind it.
    case `${page};csv`:
    case `${below}/csv`:
      return 'csv'
    case `${below}/live`:
      return 'live'
    case '/events':
      return 'events'
    case '/metrics':
      return 'metrics'
    case '/healthz':
      return 'healthz'
    default:
      return undefined
  }
}

/** Makes one that is no stream, for a page as this viewer would see it and a query. */
export type Documents = (name: Exclude<DocumentName, 'live'>, page: Page, query: URLSearchParams) => Promise<Rendered>

/** Begins to collect the metrics of this process. */
export const createDocuments = (): Documents => {
  const metrics = createMetrics()
  return async (name, page, query) => {
    const { status, timeline } = page
    switch (name) {
      case 'page': {
        const pieces: string[] = []
        await inSlices(renderPage(page), (piece) => void pieces.push(piece))
        return ok('text/html', pieces.join(''))
      }
      case 'events':
        return ok('application/json', `${showEvents(timeline.events, true, timeline.iso)}\n`)
      case 'json':
        return ok('application/json', `${toJson(status)}\n`)
      case 'schema':
        return ok('application/schema+json', `${toJson(statusJsonSchema())}\n`)
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
