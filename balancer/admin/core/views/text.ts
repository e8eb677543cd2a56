// Numbers and texts as the status page shows them.

import { addressOf } from '../../../core/endpoint.ts'

const durationUnits = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** Milliseconds as `3h12m`, `5s`, `100ms`: the largest unit and the one below it, where that is not 0. */
export const duration = (milliseconds: number): string => {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))}ms`
  const first = durationUnits.findIndex(([, size]) => milliseconds >= size)
  let rest = milliseconds
  const parts = durationUnits.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return count > 0 ? `${count}${unit}` : ''
  })
  return parts.join('')
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** A number, or `-` where it is not known. */
export const amount = (count: number | null): string => (count === null ? '-' : `${count}`)

/** A number of bytes as `512 B`, `1.5 MiB`; `-` where it is not known. */
export const bytes = (count: number | null): string => {
  if (count === null) return '-'
  const power = Math.min(byteUnits.length - 1, count < 1 ? 0 : Math.floor(Math.log2(count) / 10))
  const value = count / 1024 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${byteUnits[power] ?? 'B'}`
}

/** Counts by reason as `reason 2, other 1`; `none` where there are none. */
export const countsText = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ') || 'none'

/** What brought a server up or down last, and how old the news was: `push, 3ms old`. */
export const foundText = ({
  found,
}: {
  readonly found: { readonly by: string; readonly news_age_ms: number | null } | null
}): string => {
  if (found === null) return '-'
  return found.news_age_ms === null ? found.by : `${found.by}, ${duration(found.news_age_ms)} old`
}

/** What earlier programs still have, one line each; see `draining` of the status. */
export const drainingLines = (
  workers: readonly {
    readonly process: number
    readonly version: string
    readonly since: { readonly ago_ms: number }
    readonly until: { readonly at: string; readonly in_ms: number }
    readonly sessions: number
  }[],
): readonly string[] =>
  workers.map(({ process: pid, version, since, until, sessions }) => {
    const most = `${duration(until.in_ms)} at most (${until.at})`
    return `process ${pid} of version ${version}: ${sessions} sessions, takes no new ones for ${duration(since.ago_ms)}, ends in ${most}`
  })

/** What a datapath found wrong with a listener when it tested itself, one line each: about a server, or about the listener. */
export const findingLines = (listener: {
  readonly name: string
  readonly findings: readonly { readonly server: string | null; readonly text: string }[]
}): readonly string[] =>
  listener.findings.map(({ server, text }) =>
    server === null ? `${listener.name}: ${text}` : `${listener.name}/${server} ${text}`,
  )

/** Who sent an advertisement: the other balancer by the name that operators know, and the address it came from beside it. */
export const senderText = ({
  from,
  balancer,
}: {
  readonly from: string
  readonly balancer: { readonly name: string; readonly address: string } | null
}): string => {
  if (balancer === null) return from
  const { name, address } = balancer
  if (name === address) return addressOf(address) === from ? from : `${from} (peer ${address})`
  return addressOf(address) === from ? `${name} (${from})` : `${name} (${from}, peer ${address})`
}

/** Who holds a server and how its agent-check goes, one line each; see `held_by` and `agent_trouble` of the status. */
export const holderLines = (server: {
  readonly held_by: readonly {
    readonly by: string
    readonly wants: string
    readonly since: { readonly ago_ms: number } | null
    readonly text: string
  }[]
  readonly agent_trouble: {
    readonly failures_in_a_row: number
    readonly silent: boolean
    readonly reason: string
    readonly lines_with_unknown_words: number
    readonly last_unknown_words: string
  } | null
}): readonly string[] => {
  const held = server.held_by.map(({ by, wants, since, text }) => {
    const told = text === '' || text === wants ? '' : ` "${text}"`
    return `${wants} by ${by}${told}${since === null ? '' : ` for ${duration(since.ago_ms)}`}`
  })
  const trouble = server.agent_trouble
  if (trouble === null) return held
  const { failures_in_a_row: failures, silent, reason, lines_with_unknown_words: unknown } = trouble
  return [
    ...held,
    ...(failures === 0 ? [] : [`agent silent for ${failures} checks${silent ? ', has no say' : ''}: ${reason}`]),
    ...(unknown === 0 ? [] : [`agent: ${unknown} lines with unknown words, last "${trouble.last_unknown_words}"`]),
  ]
}
