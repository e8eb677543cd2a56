// The colour of a state, by name, as HAProxy's page has it; the words beside it say the same.

import type { RouterStatus, ServerStatus } from '../model/status.ts'

/** That of a server. */
export const serverTone = (server: ServerStatus) => {
  if (server.admin === 'maint') return 'maint'
  if (!server.up) return server.last_check === null ? 'unchecked' : server.status.includes('/') ? 'rising' : 'down'
  if (!server.takes_sessions) return 'drain'
  if (server.status.includes('/')) return 'failing'
  return server.backup ? 'backup' : 'up'
}

/** That of a VRRP instance. */
export const routerTone = ({ state }: RouterStatus) =>
  (({ master: 'up', backup: 'backup', fault: 'down', init: 'unchecked' }) as const)[state]
