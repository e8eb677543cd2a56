// The matrix of numbers: what a datapath is said to count stands in its reports and in every view of them, and what does not exist
// there is nowhere a number.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { type Status, statusOf } from '../../../balancer/admin/core/model/status.ts'
import { csvOf } from '../../../balancer/admin/core/views/csv.ts'
import { createDocuments } from '../../../balancer/admin/http/documents.ts'
import { balancerSchema, type ListenerConfig } from '../../../balancer/config/schema.ts'
import { type Datapath, datapaths } from '../../../balancer/core/forwarders.ts'
import { createTallies as directTallies } from '../../../balancer/datapath/direct/core/tallies.ts'
import { reportOf as directReport } from '../../../balancer/datapath/direct/listener-report.ts'
import { createTallies as kernelTallies } from '../../../balancer/datapath/kernel/core/session-counts.ts'
import { reportOf as kernelReport } from '../../../balancer/datapath/kernel/listener-report.ts'
import { createProxyListener } from '../../../balancer/datapath/userspace/proxy-listener.ts'
import { createAccounts } from '../../../balancer/pool/core/accounts.ts'
import type { Fact, ListenerFact } from '../../../balancer/pool/core/facts.ts'
import { type NumberName, notCounted, numbers } from '../../../balancer/pool/core/numbers.ts'
import { createPool } from '../../../balancer/pool/core/pool.ts'
import { pageOf, rendered } from '../admin/scene.ts'
import { healthFact } from './health-fact.ts'

const configOf = (datapath: Datapath) =>
  balancerSchema.parse({
    router_id: 'lb1',
    listeners: [
      {
        ...{ name: 'mysql', datapath, bind: '198.18.0.100:3306' },
        servers: [{ name: 'db1', address: '198.18.0.11:3306' }],
      },
    ],
  })

const place = { id: 1, server: 'db1', address: { address: '198.18.0.11', port: 3306 } }
const running = (config: ListenerConfig) => ({ config: () => config, places: () => [place], isPanicking: () => false })

/** What each datapath's own report tells of a listener that has just begun. */
const reports: Readonly<Record<Datapath, (config: ListenerConfig) => ListenerFact>> = {
  userspace: (config) => {
    const nothing = () => {}
    const all = { onTrouble: nothing, onShortage: nothing, hasRoom: () => true, onEnded: nothing }
    const listener = createProxyListener({ config, ...all })
    const fact = listener.fact([])
    listener.stop()
    return fact
  },
  kernel: (config) => {
    const tallies = kernelTallies(0xffff0000)
    tallies.of(0x10001)
    return kernelReport({
      listener: { ...running(config), markOf: () => 0x10001 },
      servers: new Map(tallies.servers().map((one) => [one.mark, one])),
      listeners: new Map(tallies.listeners().map((one) => [one.mark, one])),
      ...{ refusals: new Map(), trouble: null, findings: [] },
    })
  },
  direct: (config) =>
    directReport({
      listener: { ...running(config), numberOf: () => 1 },
      tallies: directTallies(),
      counters: new Map([['server/mysql/1', { packets: 0, bytes: 0 }]]),
      ...{ exceptions: 0, trouble: null, findings: [] },
    }),
}

/** The status when two reports have come and the agents have told what they know. */
const statusWith = (datapath: Datapath): Status => {
  const config = configOf(datapath)
  const [listener] = config.listeners
  if (listener === undefined) throw new Error('no listener')
  const report = reports[datapath](listener)
  const more: ListenerFact = {
    ...report,
    totalSessions: 1,
    servers: report.servers.map((one) => ({ ...one, totalSessions: 1 })),
  }
  const returned = datapath === 'direct' ? { returned: { bytesOut: 7, connections: 2 } } : {}
  const facts: readonly Fact[] = [healthFact('db1', returned), more]
  const accounts = createAccounts()
  for (const [i, fact] of [report, ...facts].entries()) accounts.hear(fact, 1000 * (1 + i))
  const clock = { version: '0', now: 9000, startedAt: 0, iso: (moment: number) => new Date(moment).toISOString() }
  return statusOf({ config, pool: createPool(facts), accounts, ...clock, refusals: {} })
}

const names = Object.keys(numbers).filter((name): name is NumberName => name in numbers)
const valuesOf = (status: Status, name: NumberName): readonly unknown[] =>
  status.listeners.flatMap((listener) =>
    [listener, ...listener.servers].flatMap((one: object) =>
      Object.entries(one).flatMap(([key, value]): unknown[] => (key === name ? [value] : [])),
    ),
  )

for (const datapath of datapaths) {
  t.test(datapath, async (t) => {
    const status = statusWith(datapath)
    const [listener] = status.listeners
    const [server] = listener?.servers ?? []
    if (listener === undefined || server === undefined) throw new Error('no server')

    t.test('each number is there, or null where the matrix says that it does not exist', async (t) => {
      for (const name of names) {
        const values = valuesOf(status, name)
        t.ok(values.length > 0, `${name} stands in the document`)
        for (const value of values) {
          if (numbers[name][datapath] === 'none') t.equal(value, null, name)
          else t.not(value, null, name)
        }
      }
      t.same(listener.not_counted, notCounted(datapath))
    })

    t.test('CSV, metrics and page have no number in its place', async (t) => {
      const [head = '', ...rows] = csvOf(status).split('\n')
      const columns = head.slice(2).split(',')
      const cell = (kind: number, column: string): string | undefined => rows[kind]?.split(',')[columns.indexOf(column)]
      const documents = createDocuments()
      const { text } = await documents('metrics', pageOf(status), new URLSearchParams())
      const page = rendered(status)
      const absent = notCounted(datapath)
      const has = (name: NumberName): boolean => !absent.includes(name)
      t.equal(cell(2, 'qcur') !== '', has('queued'))
      t.equal(cell(2, 'qmax') !== '', has('maximum_queued'))
      t.equal(cell(1, 'wretr') !== '', has('retries'))
      t.equal(cell(1, 'wredis') !== '', has('redispatches'))
      t.equal(cell(1, 'bout') !== '', true)
      t.equal(text.includes('balancer_listener_queued'), has('queued'))
      t.equal(/^balancer_server_retries_total\{/m.test(text), has('retries'))
      t.equal(page.includes('>n/a<'), absent.some(isOnPage), 'the page says so plainly')
      t.match(page, has('queued') ? /You are admin/ : new RegExp(`n/a: does not exist with datapath: ${datapath}`))
    })

    t.test('before the first report nothing is known, and nothing is 0', async (t) => {
      const config = configOf(datapath)
      const clock = { version: '0', now: 9000, startedAt: 0, iso: (moment: number) => `${moment}` }
      const unheard = statusOf({ config, pool: createPool(), accounts: createAccounts(), ...clock, refusals: {} })
      for (const name of names) {
        for (const value of valuesOf(unheard, name)) t.equal(value, null, name)
      }
    })
  })
}

const isOnPage = (name: NumberName): boolean => !['connections', 'exceptions'].includes(name)

t.test('the matrix stands in the manual as it is', async (t) => {
  const manual = readFileSync(new URL('../../../../balancer/README.md', import.meta.url), 'utf8')
  const words = { counted: 'yes', told: 'agents', none: 'n/a' } as const
  for (const name of names) {
    const cells = datapaths.map((datapath) => words[numbers[name][datapath]])
    t.match(manual, new RegExp(`^\\| .*\`${name}\`.* \\| ${cells.join(' \\| ')} \\|`, 'm'), name)
  }
})
