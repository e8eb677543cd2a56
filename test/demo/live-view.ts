// The view of `npm start`: who holds the address, each server's state, and what a client sees of it all.

import { styleText } from 'node:util'
import type { ProbeCounters } from '../lab/gap-probe.ts'
import { type BalancerHost, type Site, type SiteStatus, virtualAddress } from '../lab/site.ts'
import { textTable } from './table.ts'
import type { TourProbes } from './tour.ts'

/** A running view. */
export type LiveView = { readonly stop: () => void }

/** Where the view is drawn: over itself on a terminal, else one line for each change. */
export type Screen = { readonly isTerminal: boolean; readonly write: (text: string) => void }

const refreshMillis = 500

/** Draws the state of the site until it is stopped. */
export const startLiveView = (site: Site, { probe, proxied }: TourProbes, screen: Screen): LiveView => {
  let drawn = 0
  let said = ''
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  const draw = async (): Promise<void> => {
    const seen = await Promise.all(site.balancers.map(look))
    if (stopped) return
    if (screen.isTerminal) {
      const lines = picture(seen, probe.counters(), proxied.counters())
      const up = drawn > 0 ? `\x1b[${drawn}A\x1b[J` : ''
      screen.write(`${up}${lines.join('\n')}\n`)
      drawn = lines.length
    } else {
      const line = summary(seen)
      if (line !== said) screen.write(`${line}\n`)
      said = line
    }
    timer = setTimeout(draw, refreshMillis)
  }
  void draw()
  return {
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}

type Seen = { readonly name: string; readonly holds: boolean; readonly status: SiteStatus | undefined }

const look = async (balancer: BalancerHost): Promise<Seen> => {
  const [holds, status] = await Promise.all([
    balancer.holdsAddress().catch(() => false),
    balancer.status().catch(() => undefined),
  ])
  return { name: balancer.host.name, holds, status }
}

const stateOf = ({ status }: Seen): string => status?.vrrp[0]?.state.toUpperCase() ?? 'no answer'

const summary = (seen: readonly Seen[]): string => {
  const routers = seen.map((balancer) => `${balancer.name} ${stateOf(balancer)}`)
  const holders = seen.filter(({ holds }) => holds).map(({ name }) => name)
  const servers = serversSeen(seen).map(({ name, status }) => `${name} ${status}`)
  return `${virtualAddress} on ${holders.join(' and ') || 'nobody'}; ${routers.join(', ')}; ${servers.join(', ')}`
}

const serversSeen = (seen: readonly Seen[]) =>
  (seen.find(({ holds, status }) => holds && status !== undefined) ?? seen.find(({ status }) => status !== undefined))
    ?.status?.listeners[0]?.servers ?? []

const picture = (seen: readonly Seen[], counters: ProbeCounters, inUserSpace: ProbeCounters): readonly string[] => {
  const routers = seen.map((balancer) => [
    balancer.name,
    colouredState(stateOf(balancer)),
    balancer.holds ? styleText('green', `holds ${virtualAddress}`) : '',
    `${balancer.status?.listeners[0]?.sessions ?? '-'}`,
  ])
  const servers = serversSeen(seen).map((server) => [
    server.name,
    coloured(server.status, server.up),
    `${server.sessions ?? '-'}`,
    `${server.total_sessions ?? '-'}`,
    server.last_check === null ? '' : `${server.last_check.reason}: ${server.last_check.text}`,
  ])
  return [
    '',
    ...textTable(['balancer', 'state', 'address', 'sessions'], routers),
    '',
    ...textTable(['server', 'state', 'sessions', 'in all', 'last check'], servers),
    '',
    ...textTable(
      ['client', 'new connections', 'failed', 'sessions held', 'lost so far', 'last answer'],
      [clientLine('direct', counters), clientLine('userspace', inUserSpace)],
    ),
    '',
    'Ctrl-C ends it and leaves nothing behind.',
  ]
}

const clientLine = (datapath: string, counters: ProbeCounters): readonly string[] => [
  datapath,
  `${counters.attempts}`,
  coloured(`${counters.failed}`, counters.failed === 0),
  `${counters.openSessions}`,
  coloured(`${counters.lostSessions}`, counters.lostSessions === 0),
  counters.lastServer || 'nobody',
]

const stateColours = { MASTER: 'green', BACKUP: 'cyan' } as const

const colouredState = (state: string): string =>
  styleText(state === 'MASTER' || state === 'BACKUP' ? stateColours[state] : 'red', state)

const coloured = (text: string, good: boolean): string => styleText(good ? 'green' : 'red', text)
