// Sessions inside the client host: idle, waiting for an answer, and with transactions. Each loss is told at once.

import { openSession, type Session, type SessionOutcome } from '../../lab/mysql-session.ts'
import { type ClientsCommand, type ClientsOrder, type Kind, kinds, type SeenSession, type Stretch } from './messages.ts'

const transaction = ['BEGIN', 'INSERT INTO app.orders (n) VALUES (1)', 'SELECT MAX(id) FROM app.orders', 'COMMIT']
const betweenTransactions = 20
const reopenAfter = 20
/** A stretch is counted when the sessions with transactions have made so many. */
const warmTransactions = 3

/** A session that is opened again when it was lost. */
type Client = {
  /** Begins a stretch; the answer settles when the session is there and does what it is to do. */
  readonly begin: () => Promise<void>
  /** Settles when it has shown that it lives, or is lost. */
  readonly judge: () => Promise<void>
  readonly seen: () => SeenSession
  readonly longestPauseMs: () => number
}

/** One question after the other in one session; null when it is lost. */
const openLine = (order: ClientsOrder, onLost: (reason: string) => void) => {
  let answer: ((value: string | null) => void) | undefined
  let session: Session | undefined
  const settle = (value: string | null): void => {
    const waiting = answer
    answer = undefined
    waiting?.(value)
  }
  let isOver = false
  const onOutcome = (outcome: SessionOutcome): void => {
    isOver = !outcome.ok
    if (!outcome.ok) onLost(outcome.reason)
    settle(outcome.ok ? outcome.value : null)
  }
  const login = new Promise<string | null>((resolve) => {
    answer = resolve
  })
  session = openSession(order, onOutcome)
  return {
    login,
    ask: (sql: string): Promise<string | null> =>
      new Promise((resolve) => {
        if (isOver) return resolve(null)
        answer = resolve
        session?.ask(sql)
      }),
    giveUp: () => session?.abandon('silent'),
  }
}
type Line = ReturnType<typeof openLine>

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** Opens it until it is there; which server has it. */
const openUntilThere = async (order: ClientsOrder, onLost: (reason: string) => void) => {
  for (;;) {
    let isThere = false
    let isLost = false
    const line = openLine(order, (reason) => {
      isLost = true
      if (isThere) onLost(reason)
    })
    const deadline = setTimeout(line.giveUp, order.patienceMillis)
    const server = (await line.login) === null ? null : await line.ask('SELECT @@hostname')
    clearTimeout(deadline)
    // What is lost between the last answer and here has told nobody.
    isThere = !isLost
    if (server !== null && isThere) return { line, server }
    await sleep(reopenAfter)
  }
}

const createClient = (kind: Kind, order: ClientsOrder, tell: () => void): Client => {
  let seen: SeenSession = { kind, server: '', lost: null }
  let line: Line | undefined
  let server = ''
  let answered: Promise<unknown> = Promise.resolve()
  let dueAt = 0
  let longest = 0
  let transactions = 0

  const open = async (): Promise<void> => {
    const opened = await openUntilThere(order, (reason) => {
      if (line !== opened.line) return
      line = undefined
      if (seen.lost === null) seen = { ...seen, lost: { reason, at: Date.now() } }
      tell()
    })
    line = opened.line
    server = opened.server
  }

  const work = async (): Promise<never> => {
    let lastAnswer = performance.now()
    for (;;) {
      if (line === undefined) await open()
      for (const sql of transaction) {
        const value = (await line?.ask(sql)) ?? null
        if (value === null) break
        longest = Math.max(longest, performance.now() - lastAnswer)
        lastAnswer = performance.now()
        if (sql === 'COMMIT') transactions += 1
      }
      await sleep(line === undefined ? reopenAfter : betweenTransactions)
    }
  }
  let isWorking = false

  const untilWorked = async (count: number): Promise<void> => {
    const wanted = transactions + count
    while (transactions < wanted) await sleep(betweenTransactions)
  }

  const within = async (deadline: number, answer: Promise<unknown>): Promise<void> => {
    const held = line
    const timer = setTimeout(() => held?.giveUp(), Math.max(0, deadline - performance.now()))
    await answer
    clearTimeout(timer)
  }

  return {
    begin: async () => {
      if (kind === 'busy' && !isWorking) {
        isWorking = true
        void work()
      }
      if (kind === 'busy') await untilWorked(warmTransactions)
      else if (line === undefined) await open()
      if (kind === 'waiting') {
        answered = line?.ask(`SELECT SLEEP(${order.waitMillis / 1000})`) ?? Promise.resolve()
        dueAt = performance.now() + order.waitMillis
      }
      seen = { kind, server, lost: null }
      longest = 0
    },
    judge: async () => {
      const now = performance.now()
      if (kind === 'waiting') return within(dueAt + order.patienceMillis, answered)
      if (kind === 'busy') return within(now + order.patienceMillis, untilWorked(1))
      if (line !== undefined) return within(now + order.patienceMillis, line.ask('SELECT 1'))
    },
    seen: () => seen,
    longestPauseMs: () => longest,
  }
}

let clients: readonly Client[] = []
let state: Stretch['state'] = 'opening'

const tell = (): void => {
  const longestPauseMs = Math.max(0, ...clients.map((client) => client.longestPauseMs()))
  const stretch: Stretch = { state, sessions: clients.map(({ seen }) => seen()), longestPauseMs }
  process.send?.(stretch)
}

process.on('message', async (command: ClientsCommand) => {
  if (typeof command === 'object') {
    const { order } = command
    clients = kinds.flatMap((kind) =>
      Array.from({ length: order.sessions[kind] }, () => createClient(kind, order, () => tell())),
    )
    return
  }
  state = 'opening'
  await Promise.all(clients.map((client) => client[command]()))
  state = command === 'begin' ? 'running' : 'judged'
  tell()
})
process.once('disconnect', () => process.exit(0))
