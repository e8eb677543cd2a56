// The probe's own process, inside the client host: opens a new connection at every tick, holds long sessions, reports.

import { openSession, type Session, type SessionOutcome } from './mysql-session.ts'
import { type Attempt, monotonicNow, type ProbeOrder, type ProbeReport } from './probe-messages.ts'

// Fewer than a lab's server lets in at once, and enough for an outage of four seconds at 200 a second.
const maximumInFlight = 900
const reportInterval = 50
const sessionInterval = 100
const sessionReopenDelay = 100
const question = 'SELECT @@hostname'

const probe = (order: ProbeOrder): void => {
  // In the order they were begun: the first one is the oldest.
  const inFlight = new Map<Session, number>()
  let attempts: Attempt[] = []
  let lostSessions: number[] = []
  let openSessions = 0
  let late = 0
  let lastTick = monotonicNow()

  const attempt = (): void => {
    const begun = monotonicNow()
    let loggedIn = false
    const end = (server: string | null, reason: string): void => {
      clearTimeout(deadline)
      inFlight.delete(session)
      attempts.push({ begun, ended: monotonicNow(), server, reason })
    }
    const session = openSession(order, (outcome) => {
      if (!outcome.ok) end(null, outcome.reason)
      else if (loggedIn) {
        end(outcome.value, '')
        session.quit()
      } else {
        loggedIn = true
        session.ask(question)
      }
    })
    const deadline = setTimeout(() => session.abandon('timeout'), order.timeout)
    inFlight.set(session, begun)
  }

  const tick = (): void => {
    const now = monotonicNow()
    late = Math.max(late, now - lastTick - order.interval)
    lastTick = now
    // Probing goes on at full rate through a long outage: the oldest attempt gives way to the new one.
    const [oldest] = inFlight.keys()
    if (inFlight.size >= maximumInFlight) oldest?.abandon('displaced')
    attempt()
  }

  const holdSession = (): void => {
    let isOpen = false
    let next: NodeJS.Timeout | undefined
    let deadline: NodeJS.Timeout | undefined
    const onOutcome = (outcome: SessionOutcome): void => {
      clearTimeout(deadline)
      clearTimeout(next)
      if (outcome.ok) {
        if (!isOpen) openSessions += 1
        isOpen = true
        next = setTimeout(() => {
          watch()
          session.ask(question)
        }, sessionInterval)
        return
      }
      if (isOpen) {
        openSessions -= 1
        lostSessions.push(monotonicNow())
      }
      setTimeout(holdSession, sessionReopenDelay)
    }
    const session = openSession(order, onOutcome)
    const watch = (): void => {
      deadline = setTimeout(() => session.abandon('timeout'), order.timeout)
    }
    watch()
  }

  const report = (): void => {
    const [oldest = null] = inFlight.values()
    const message: ProbeReport = { until: monotonicNow(), oldest, attempts, lostSessions, openSessions, late }
    process.send?.(message)
    attempts = []
    lostSessions = []
    late = 0
  }

  setInterval(tick, order.interval)
  setInterval(report, reportInterval)
  for (let count = 0; count < order.sessions; count += 1) holdSession()
}

process.once('message', (order: ProbeOrder) => probe(order))
process.once('disconnect', () => process.exit(0))
