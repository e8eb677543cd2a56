// Sessions inside a client host that write a line per transaction and ask for it before they commit: each answer must be theirs.

import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { doneWord, type LedgerLine, type LedgerOrder } from './ledger-messages.ts'

process.once('message', (order: LedgerOrder) => {
  const { sessions, pause, ...login } = order
  const lines = new Map<number, LedgerLine>()
  let isOver = false
  process.once('message', () => {
    isOver = true
  })
  const work = async (session: number, tell: (line: LedgerLine) => void): Promise<void> => {
    const connection = await createConnection({ ...login, host: login.address })
    let server = ''
    const ask = async (sql: string, ...values: number[]): Promise<Readonly<Record<string, unknown>>> => {
      const [rows] = await connection.query<RowDataPacket[]>(sql, values)
      return rows[0] ?? {}
    }
    server = String((await ask('SELECT @@hostname AS server'))['server'])
    await ask('SET @n = 0')
    tell({ server, committed: 0, end: null })
    let committed = 0
    while (!isOver) {
      const n = committed + 1
      await ask('START TRANSACTION')
      await ask('INSERT INTO app.ledger VALUES (?, ?)', session, n)
      await ask('SET @n = @n + 1')
      await sleep(pause)
      const found = await ask('SELECT @n AS n, COUNT(*) AS count FROM app.ledger WHERE session = ?', session)
      if (Number(found['n']) !== n || Number(found['count']) !== n)
        throw new Error(`${JSON.stringify(found)}, not ${n}`)
      await ask('COMMIT')
      committed = n
      tell({ server, committed, end: null })
      await sleep(pause)
    }
    connection.destroy()
    tell({ server, committed, end: doneWord })
  }
  for (let session = 0; session < sessions; session += 1) {
    const tell = (line: LedgerLine): void => {
      lines.set(session, line)
      process.send?.([...lines.entries()].toSorted(([a], [b]) => a - b).map(([, one]) => one))
    }
    work(session, tell).catch((error: unknown) => {
      tell({ ...(lines.get(session) ?? { server: '', committed: 0 }), end: String(error) })
    })
  }
})
process.once('disconnect', () => process.exit(0))
