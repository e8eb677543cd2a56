// Check queries that we stopped waiting for. The server may still run them, and each of them holds a connection there.

import type { Failure } from './core/failure.ts'
import type { Session } from './session.ts'

/** Keeps a hung query from using up the server's connections, one per probe. */
export type Abandoned = {
  readonly add: (threadId: number) => void
  /** After a login: why no further query may start, or null. */
  readonly objection: (session: Session) => Promise<Failure | null>
  readonly forget: () => void
}

/** Check queries that may hang on the server at the same time. */
const maximumHanging = 3

/** The abandoned queries of one server. */
export const createAbandoned = (): Abandoned => {
  let threads: readonly number[] = []
  return {
    add: (threadId) => {
      threads = [...threads, threadId]
    },
    objection: async (session) => {
      if (threads.length < maximumHanging) return null
      const reply = await session.query(
        `SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Query' AND ID IN (${threads.join(', ')})
         AND USER = SUBSTRING_INDEX(USER(), '@', 1)`,
      )
      // A server that refuses this question refuses the check query too, instead of hanging in it.
      threads = reply.ok ? reply.rows.map(([id]) => Number(String(id))) : []
      if (threads.length < maximumHanging) return null
      const text = `${threads.length} earlier check queries still hang in the server, so no further one is started`
      return { code: 'timeout', text, fatal: false }
    },
    forget: () => {
      threads = []
    },
  }
}
