// The connection table of the server: who comes next gets none where it is full.

import type { Words } from './facts.ts'
import type { Failure } from './failure.ts'

/** Connections in use and how many there may be; null where the server was not asked. */
export const connectionsOf = (words: Words): { readonly used: number; readonly most: number } | null => {
  const [used, most] = [words['threads_connected'], words['max_connections']].map(Number)
  return used === undefined || most === undefined || !(used >= 0) || !(most > 0) ? null : { used, most }
}

/** What the next client would be told, or null. */
export const fullTable = (words: Words): Failure | null => {
  const connections = connectionsOf(words)
  if (connections === null || connections.used < connections.most) return null
  return { code: 'too-many-connections', text: `all ${connections.most} connections are taken`, fatal: false }
}
