// The page as tests need it: of a status, with nothing that happened and nobody who may order anything, unless told.

import { historyOf } from '../../../balancer/admin/core/model/history.ts'
import type { Status } from '../../../balancer/admin/core/model/status.ts'
import { type Page, renderPage } from '../../../balancer/admin/core/views/page/page.ts'
import type { Scene } from '../../../balancer/admin/core/views/page/parts.ts'
import type { RunOrder } from '../../../balancer/admin/http/order-forms.ts'
import { createAccounts } from '../../../balancer/pool/core/accounts.ts'

const now = 5000

/** What the page shows. */
export const sceneOf = (status: Status, change: Partial<Scene> = {}): Scene => {
  const accounts = createAccounts()
  return {
    status,
    timeline: { events: [], now, iso: (moment) => new Date(moment).toISOString() },
    history: ({ name, servers }) =>
      historyOf(
        name,
        servers.map((server) => server.name),
        accounts,
        now,
      ),
    ...change,
  }
}

/** The page that a viewer sees. */
export const pageOf = (status: Status, change: Partial<Page> = {}): Page => ({
  ...sceneOf(status),
  viewer: { user: 'admin', token: null },
  answer: null,
  path: '/status',
  refreshSeconds: 5,
  isStill: false,
  ...change,
})

/** Its HTML. */
export const rendered = (status: Status, change: Partial<Page> = {}): string =>
  [...renderPage(pageOf(status, change))].join('')

/** Nobody orders anything. */
export const noOrders: RunOrder = async () => ({ ok: false, text: 'nobody orders anything here' })
