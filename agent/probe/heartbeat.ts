// A write to a table of our own now and then: a server whose disk is full or that is locked answers reads all the same.

import { hostname } from 'node:os'
import { performance } from 'node:perf_hooks'
import type { CheckConfig } from '../config/schema.ts'
import type { Failure } from './core/failure.ts'
import type { Session } from './session.ts'

/** Writes where a write is due; null where it worked or none was due. */
export type Heartbeat = (session: Session) => Promise<Failure | null>

/** The host's name as it may stand in a statement. */
const node = hostname().replace(/[^A-Za-z0-9._-]/g, '_')

/**
 * A row per node. After a failure, and after a write that nobody waited for to its end, the next one is due at once; one that
 * the check user may not make is tried at its interval.
 */
export const createHeartbeat = ({ table, interval }: NonNullable<CheckConfig['heartbeat']>): Heartbeat => {
  const name = table
    .split('.')
    .map((part) => `\`${part}\``)
    .join('.')
  const statement = `INSERT INTO ${name} (node, beat_at) VALUES ('${node}', CURRENT_TIMESTAMP(6))
    ON DUPLICATE KEY UPDATE beat_at = CURRENT_TIMESTAMP(6)`
  let writtenAt = Number.NEGATIVE_INFINITY
  let refused: Failure | null = null
  return async (session) => {
    if (performance.now() - writtenAt < interval) return refused
    writtenAt = Number.NEGATIVE_INFINITY
    refused = null
    const reply = await session.query(statement)
    if (reply.ok) {
      writtenAt = performance.now()
      return null
    }
    const { failure } = reply
    if (failure.fatal) return failure
    const failed: Failure = { ...failure, code: 'write-failed', text: `${table}: ${failure.text}` }
    if (failure.code === 'access-denied') {
      writtenAt = performance.now()
      refused = failed
    }
    return failed
  }
}
