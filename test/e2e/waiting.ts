// Many sessions of a client host that wait: idle, for an answer, or in the middle of one.

import { fileURLToPath } from 'node:url'
import type { Host } from '../lab/host.ts'
import { waitFor } from '../lab/wait-for.ts'
import { parseSessions, type WaitingKind, type WaitingOrder, type WaitingSession } from './waiting-messages.ts'

/** They wait until they are stopped or a minute has passed. */
export type WaitingSessions = {
  readonly now: () => readonly WaitingSession[]
  readonly stop: () => Promise<void>
}

/** Opens one session for each kind named and returns when all wait. */
export const startWaiting = async (
  host: Host,
  order: Omit<WaitingOrder, 'kinds'>,
  kinds: readonly WaitingKind[],
): Promise<WaitingSessions> => {
  const entry = fileURLToPath(new URL('./waiting-process.js', import.meta.url))
  const client = host.spawn('waiting', process.execPath, [entry], { ipc: true })
  let sessions: readonly WaitingSession[] = []
  client.onMessage((message) => {
    sessions = parseSessions(message)
  })
  client.send({ ...order, kinds })
  await waitFor('all sessions to wait', () => sessions.length === kinds.length)
  return {
    now: () => sessions,
    stop: async () => {
      await client.stop()
    },
  }
}
