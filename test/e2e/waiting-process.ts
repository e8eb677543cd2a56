// Sessions inside a client host that wait for what takes a minute; each change is told at once.

import { openSession, type Session } from '../lab/mysql-session.ts'
import type { WaitingKind, WaitingOrder, WaitingSession } from './waiting-messages.ts'

const questions: Readonly<Record<WaitingKind, string | null>> = {
  idle: null,
  waiting: 'SELECT SLEEP(60)',
  reading: "SELECT SLEEP(0.02), REPEAT('x', 8000) FROM app.seq_1_to_3000",
}

process.once('message', (order: WaitingOrder) => {
  const sessions = new Map<number, WaitingSession>()
  order.kinds.forEach((kind, index) => {
    let server = ''
    let step: 'login' | 'name' | 'open' = 'login'
    const tell = (end: WaitingSession['end']): void => {
      sessions.set(index, { kind, server, end })
      process.send?.([...sessions.values()])
    }
    const session: Session = openSession(order, (outcome) => {
      if (!outcome.ok) return tell({ reason: outcome.reason, at: Date.now() })
      if (step === 'login') {
        step = 'name'
        return session.ask('SELECT @@hostname')
      }
      // An answer to what takes a minute is an end as well: nobody looks that long.
      if (step === 'open') return tell({ reason: 'answered', at: Date.now() })
      step = 'open'
      server = outcome.value
      const question = questions[kind]
      if (question !== null) session.ask(question)
      tell(null)
    })
  })
})
process.once('disconnect', () => process.exit(0))
