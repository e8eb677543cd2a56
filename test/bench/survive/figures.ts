// From single events to the tables, and to what was promised and not kept. PURE.

import { median, rounded } from '../agent-figures.ts'
import { type ContestantName, contestants } from './contestants.ts'
import { type EventName, eventNames, events } from './events.ts'
import { type Kind, kinds, type SeenSession, type Stretch } from './messages.ts'

/** One event that happened to one contestant. */
export type SurviveRecord = {
  readonly contestant: ContestantName
  readonly event: EventName
  readonly round: number
  /** Sessions to servers that live, and how many of each kind were lost, by the reason that clients had. */
  readonly sessions: number
  readonly lost: Readonly<Record<Kind, number>>
  readonly reasons: readonly string[]
  readonly pauseMs: number
  /** Of the server that died. */
  readonly dead: {
    readonly sessions: number
    /** From its death until the balancer knew. */
    readonly downMs: number
    /** From then on until the client of its last session was told, 0 if earlier; null if one was not. */
    readonly toldMs: number | null
  } | null
}

/** So long after a server was found down its clients know, with ours. */
const mostToldMs = 1000

type Death = { readonly server: string; readonly at: number; readonly downAt: number }

/** Of a stretch what the tables tell. `dead` is the server that died at `at` and was found down at `downAt`, if one did. */
export const summed = (
  { sessions, longestPauseMs }: Stretch,
  dead: Death | null,
): Omit<SurviveRecord, 'contestant' | 'event' | 'round'> => {
  const living = sessions.filter(({ server }) => server !== dead?.server)
  const lostOf = (kind: Kind): number => living.filter((one) => one.kind === kind && one.lost !== null).length
  const [idle, waiting, busy] = kinds.map(lostOf)
  return {
    sessions: living.length,
    lost: { idle: idle ?? 0, waiting: waiting ?? 0, busy: busy ?? 0 },
    reasons: [...new Set(living.flatMap(({ lost }) => lost?.reason ?? []))].sort(),
    pauseMs: Math.round(longestPauseMs),
    dead: dead === null ? null : toldOf(sessions, dead),
  }
}

const toldOf = (
  sessions: readonly SeenSession[],
  { server, at, downAt }: Death,
): NonNullable<SurviveRecord['dead']> => {
  const its = sessions.filter((one) => one.server === server)
  const told = its.flatMap(({ lost }) => (lost === null || lost.reason === 'silent' ? [] : [lost.at - downAt]))
  return { sessions: its.length, downMs: downAt - at, toldMs: told.length < its.length ? null : Math.max(0, ...told) }
}

const lostIn = (record: SurviveRecord): number => kinds.reduce((sum, kind) => sum + record.lost[kind], 0)

const sumOf = (records: readonly SurviveRecord[], pick: (record: SurviveRecord) => number): number =>
  records.reduce((sum, record) => sum + pick(record), 0)

const spread = (values: readonly number[]): string => `${rounded(median(values), 0)} (${Math.max(...values)})`

type Cell = (own: readonly SurviveRecord[]) => string

const lostCell: Cell = (own) => `${sumOf(own, lostIn)} of ${sumOf(own, ({ sessions }) => sessions)}`
const pauseCell: Cell = (own) => spread(own.map(({ pauseMs }) => pauseMs))
const downCell: Cell = (own) => spread(own.flatMap(({ dead }) => dead?.downMs ?? []))
const toldCell: Cell = (own) => {
  const dead = own.flatMap((record) => record.dead ?? [])
  const told = dead.flatMap(({ toldMs }) => toldMs ?? [])
  const never = dead.length - told.length
  const times = told.length === 0 ? [] : [spread(told)]
  return [...times, ...(never === 0 ? [] : [`not all in ${never} of ${dead.length}`])].join(', ')
}

/** The tables in Markdown: sessions lost, the longest pause, and when the clients of a dead server know. */
export const tablesOf = (all: readonly SurviveRecord[]): readonly string[] => {
  const names = Object.keys(contestants).filter((name): name is ContestantName =>
    all.some(({ contestant }) => contestant === name),
  )
  const table = (head: string, rows: readonly EventName[], cell: Cell): readonly string[] => {
    const measured = rows.filter((row) => all.some(({ event }) => event === row))
    if (measured.length === 0) return []
    const cellOf = (event: EventName, name: ContestantName): string => {
      const own = all.filter((record) => record.event === event && record.contestant === name)
      return own.length === 0 ? '' : cell(own)
    }
    return [
      `| ${[head, ...names.map((name) => contestants[name].title)].join(' | ')} |`,
      `| --- |${names.map(() => ' ---: |').join('')}`,
      ...measured.map(
        (event) => `| ${[events[event].title, ...names.map((name) => cellOf(event, name))].join(' | ')} |`,
      ),
      '',
    ]
  }
  return [
    ...table('sessions lost, of those to living servers', eventNames, lostCell),
    ...table('longest pause, ms: median (most)', eventNames, pauseCell),
    ...table('it is found down after ms: median (most)', ['server-power-cut'], downCell),
    ...table('its last client is told so many ms later: median (most)', ['server-power-cut'], toldCell),
  ]
}

const untold = (toldMs: number | null): readonly string[] => {
  if (toldMs === null) return ['not all clients of the dead server were told']
  return toldMs > mostToldMs ? [`its last client was told ${toldMs} ms after it was found down`] : []
}

/** One sentence for each contestant and event that should have cost no session, or left a client in the dark. */
export const broken = (all: readonly SurviveRecord[]): readonly string[] =>
  all.flatMap((record) => {
    const { contestant, event, round, lost, reasons, dead } = record
    if (!contestants[contestant].keeps.includes(event)) return []
    const what = `${contestants[contestant].title}, ${events[event].title}, round ${round}`
    const kindsLost = kinds.filter((kind) => lost[kind] > 0).map((kind) => `${lost[kind]} ${kind}`)
    return [
      ...(kindsLost.length === 0 ? [] : [`${what}: lost ${kindsLost.join(', ')} (${reasons.join(', ')})`]),
      ...(dead === null || dead.sessions === 0 ? [] : untold(dead.toldMs).map((text) => `${what}: ${text}`)),
    ]
  })
