// A behaviour: what the matrix of numbers says of a datapath is what the page's table, the CSV, the JSON and the metrics show of one
// that runs, all the same.

import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { csvColumns } from '../../../balancer/admin/core/views/csv.ts'
import { count } from '../../../balancer/admin/core/views/page/listeners.ts'
import { bytes } from '../../../balancer/admin/core/views/text.ts'
import { type NumberName, numbers } from '../../../balancer/pool/core/numbers.ts'
import { waitFor } from '../../lab/wait-for.ts'
import type { Behaviour, Stage } from './behaviour.ts'
import { closeAll } from './client.ts'

/** Where a number stands: a column of the CSV, a metric behind `balancer_server_` or `balancer_listener_`, a column of the page. */
type Place = { readonly csv?: string; readonly metric?: string; readonly page?: string }

/** Of a server; rates are another number at each look. */
const ofServers: Readonly<Partial<Record<NumberName, Place>>> = {
  sessions: { csv: 'scur', metric: 'sessions', page: 'Sessions Cur' },
  maximum_sessions: { csv: 'smax', page: 'Sessions Max' },
  total_sessions: { csv: 'stot', metric: 'sessions_total', page: 'Sessions Total' },
  bytes_in: { csv: 'bin', metric: 'bytes_in_total', page: 'Bytes In' },
  bytes_out: { csv: 'bout', metric: 'bytes_out_total', page: 'Bytes Out' },
  connect_failures: { csv: 'econ', metric: 'connect_failures_total', page: 'Errors Conn' },
  retries: { csv: 'wretr', metric: 'retries_total', page: 'Errors Retr' },
  redispatches: { csv: 'wredis', metric: 'redispatches_total', page: 'Errors Redis' },
  connections: { metric: 'connections' },
}
/** Of a listener; in the CSV those of its BACKEND, but who was not let in. */
const ofListeners: Readonly<Partial<Record<NumberName, Place>>> = {
  sessions: { csv: 'scur', metric: 'sessions', page: 'Sessions Cur' },
  maximum_sessions: { csv: 'smax', page: 'Sessions Max' },
  total_sessions: { csv: 'stot', metric: 'sessions_total', page: 'Sessions Total' },
  queued: { csv: 'qcur', metric: 'queued', page: 'Queue Cur' },
  maximum_queued: { csv: 'qmax', page: 'Queue Max' },
  denied: { csv: 'dcon', metric: 'denied_total' },
  exceptions: { metric: 'exceptions' },
}

const named = z.looseObject({ name: z.string() })
const statusSchema = z.object({ listeners: z.array(named.extend({ servers: z.array(named) })) })
type Numbers = Readonly<Record<string, unknown>>

/** The four documents of one moment, as far as they are about a listener. */
type Documents = {
  /** Its place among the listeners. */
  readonly i: number
  readonly listener: Numbers
  readonly servers: readonly (Numbers & { readonly name: string })[]
  readonly csv: string
  readonly metrics: string
  readonly page: string
}

const jsonOf = async ({ document, keys }: Stage): Promise<Pick<Documents, 'i' | 'listener' | 'servers'>> => {
  const { listeners } = statusSchema.parse(JSON.parse(await document('/status/json')))
  const i = listeners.findIndex(({ name }) => name === keys.name)
  const { servers = [], ...listener } = listeners[i] ?? {}
  const only = (all: Numbers, places: object): Numbers =>
    Object.fromEntries(Object.keys(places).map((name) => [name, all[name]]))
  return {
    i,
    listener: only(listener, ofListeners),
    servers: servers.map((one) => ({ ...only(one, ofServers), name: one.name })),
  }
}

/** All of one moment: nothing has changed from the first to the last. */
const documentsOf = async (stage: Stage): Promise<Documents> => {
  const { document } = stage
  const before = await jsonOf(stage)
  const [csv, metrics, page] = [await document('/status;csv'), await document('/metrics'), await document('/status')]
  if (!isDeepStrictEqual(await jsonOf(stage), before)) throw new Error('the numbers change')
  return { ...before, csv, metrics, page }
}

/** Texts of the cells of a row by `group column`. */
const rowOf = (page: string, id: string): ReadonlyMap<string, string> => {
  const [, head = ''] = /<thead>(<tr><th scope="col" rowspan="2">Server.*?)<\/thead>/.exec(page) ?? []
  const groups = [...head.matchAll(/<th scope="colgroup" colspan="(\d+)">([^<]*)/g)].flatMap(([, span, title]) =>
    Array.from({ length: Number(span) }, () => title),
  )
  const columns = [
    ...head.matchAll(/<th scope="col"(?: aria-label="[^"]*")?(?: class="n")?>(?:<abbr[^>]*>)?([^<]*)/g),
  ].map(([, title]) => title)
  const [, row = ''] = new RegExp(`<tr id="${id}"[^>]*>(.*?)</tr>`).exec(page) ?? []
  const cells = [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell = '']) => cell.replace(/<[^>]*>/g, ''))
  return new Map(cells.map((cell, k) => [`${groups[k]} ${columns[k]}`, cell]))
}

const csvRow = (csv: string, listener: string, name: string): ReadonlyMap<string, string> => {
  const line = csv.split('\n').find((one) => one.startsWith(`${listener},${name},`)) ?? ''
  // What may have commas itself stands further back.
  return new Map(line.split(',').map((cell, k) => [csvColumns[k] ?? '', cell]))
}

const metricOf = (metrics: string, name: string, labels: string): string | undefined =>
  metrics
    .split('\n')
    .find((line) => line.startsWith(`balancer_${name}{${labels}`))
    ?.split(' ')
    .at(-1)

export const numberBehaviours: readonly Behaviour[] = [
  {
    name: 'numbers',
    title: 'page, CSV, JSON and metrics have the same numbers, and none that does not exist there',
    about: [],
    servers: ['a', 'b'],
    see: async (t, stage) => {
      const { datapath, keys, server, hold } = stage
      for (const name of ['a', 'b']) server(name).says({ bytesOut: 5_000_000, connections: 9 })
      const clients = await hold(3)
      const sent = Buffer.alloc(100_000, 'x')
      for (const client of clients) client.say(sent)
      await waitFor('the echoes', () => clients.every((client) => client.heard().length === sent.length))
      // Whoever comes and goes between two looks at the flows is not counted with `direct`.
      await waitFor('all to be seen', async () => (await jsonOf(stage)).listener['sessions'] === clients.length)
      const [stays, ...others] = clients
      closeAll(others)
      await waitFor('all to be counted', async () => {
        const { listener, servers } = await jsonOf(stage)
        const arrived = servers.reduce((sum, one) => sum + Number(one['bytes_in']), 0)
        const told = datapath === 'direct' ? servers.every((one) => one['connections'] === 9) : true
        if (listener['sessions'] !== 1 || arrived < 3 * sent.length || !told) throw new Error(JSON.stringify(servers))
        return true
      })
      const seen = await waitFor('all documents to be of one moment', () => documentsOf(stage))
      t.match(seen.listener, { sessions: 1, total_sessions: 3 })
      t.equal(
        seen.servers.reduce((sum, one) => sum + Number(one['total_sessions']), 0),
        3,
      )
      /** One number, in all places. */
      const compare = (name: string, value: unknown, place: Place, at: ReturnType<typeof placesOf>): void => {
        const isThere = numbers[name as NumberName][datapath] !== 'none'
        const what = `${name} of ${at.what}`
        t.equal(typeof value, isThere ? 'number' : 'object', `JSON: ${what}`)
        const known = isThere ? Number(value) : null
        const text = known === null ? undefined : `${known}`
        if (place.csv !== undefined) t.equal(at.csv.get(place.csv), text ?? '', `CSV: ${what}`)
        if (place.metric !== undefined) t.equal(at.metric(place.metric), text, `metrics: ${what}`)
        if (place.page === undefined) return
        const cell = name.startsWith('bytes') ? bytes(known) : count(known)
        t.equal(at.page.get(place.page), isThere ? cell : 'n/a', `page: ${what}`)
      }
      const placesOf = (what: string, id: string, row: string, prefix: string, labels: string) => ({
        what,
        csv: csvRow(seen.csv, keys.name, row),
        page: rowOf(seen.page, id),
        metric: (name: string) => metricOf(seen.metrics, `${prefix}_${name}`, labels),
      })
      for (const [j, one] of seen.servers.entries()) {
        const labels = `listener="${keys.name}",server="${one.name}"`
        const at = placesOf(one.name, `s${seen.i}-${j}`, one.name, 'server', labels)
        for (const [name, place] of Object.entries(ofServers)) compare(name, one[name], place, at)
      }
      const at = placesOf('the listener', `w${seen.i}`, 'BACKEND', 'listener', `listener="${keys.name}"`)
      const front = { ...at, csv: csvRow(seen.csv, keys.name, 'FRONTEND') }
      for (const [name, place] of Object.entries(ofListeners)) {
        compare(name, seen.listener[name], place, name === 'denied' ? front : at)
      }
      stays?.close()
    },
  },
]
