// Sessions that write in transactions all the time, and whether the servers have exactly what was committed.

import { fileURLToPath } from 'node:url'
import type { Host } from '../lab/host.ts'
import type { MariaDb } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'
import { doneWord, type LedgerLine, type LedgerOrder, parseLedger } from './ledger-messages.ts'

/** They work until `settle`. */
export type Ledger = {
  readonly now: () => readonly LedgerLine[]
  /** The sessions that ended, and why. */
  readonly ends: () => readonly string[]
  /** Lets every session end its transaction, and tells where a server has something else than what was committed. */
  readonly settle: (servers: readonly MariaDb[]) => Promise<readonly string[]>
}

/** Makes the table on one server, from which the others have it. */
export const prepareLedger = async (server: MariaDb): Promise<void> => {
  await server.query('CREATE TABLE app.ledger (session INT, n INT, PRIMARY KEY (session, n))')
}

/** Opens the sessions and returns when each has committed something. */
export const startLedger = async (host: Host, order: LedgerOrder): Promise<Ledger> => {
  const entry = fileURLToPath(new URL('./ledger-process.js', import.meta.url))
  const client = host.spawn('ledger', process.execPath, [entry], { ipc: true })
  let lines: readonly LedgerLine[] = []
  client.onMessage((message) => {
    lines = parseLedger(message)
  })
  client.send(order)
  await waitFor('each session of the ledger to commit', () => {
    const ended = lines.find(({ end }) => end !== null)
    if (ended !== undefined) throw new Error(`${ended.end}`)
    return lines.filter(({ committed }) => committed > 0).length === order.sessions
  })
  const ends = (): readonly string[] => lines.flatMap(({ server, end }) => (end === null ? [] : [`${server}: ${end}`]))
  return {
    now: () => lines,
    ends,
    settle: async (servers) => {
      client.send('over')
      await waitFor('the ledger to end', () => lines.every(({ end }) => end !== null))
      const wanted = lines.map(({ committed }, session) => ({ session, lines: committed, last: committed }))
      const found = await Promise.all(
        servers.map(async (server) => {
          const sql =
            'SELECT session, COUNT(*) AS count, MAX(n) AS last FROM app.ledger GROUP BY session ORDER BY session'
          const rows = await server.query(sql)
          const has = rows.map((row) => ({
            session: Number(row['session']),
            lines: Number(row['count']),
            last: Number(row['last']),
          }))
          return JSON.stringify(has) === JSON.stringify(wanted) ? [] : [`${server.name} has ${JSON.stringify(has)}`]
        }),
      )
      await client.stop()
      return [...lines.flatMap(({ server, end }) => (end === doneWord ? [] : [`${server}: ${end}`])), ...found.flat()]
    },
  }
}
