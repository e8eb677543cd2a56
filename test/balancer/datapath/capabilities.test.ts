// What each datapath can do: the table has every key of a listener, and refuses what is asked in vain.

import t from 'tap'
import { z } from 'zod'
import { listenerSchema } from '../../../balancer/config/listener-schema.ts'
import { type Datapath, datapaths } from '../../../balancer/core/forwarders.ts'
import { capabilities, refusalsOf, type WrittenListener } from '../../../balancer/datapath/core/capabilities.ts'

/** Keys of a listener that are nothing to a datapath, or the business of others as a whole. */
const nothingToForward = ['name', 'datapath']
const whole = ['check', 'agent_check', 'observe', 'bind', 'access']

type Schema = { readonly type?: string; readonly properties?: Record<string, Schema>; readonly items?: Schema }

const keysIn = (schema: Schema, prefix = ''): readonly string[] =>
  Object.entries(schema.properties ?? {}).flatMap(([name, below]) => {
    const key = `${prefix}${name}`
    const inside = below.items ?? below
    return inside.properties === undefined || whole.includes(key) ? [key] : keysIn(inside, `${key}.`)
  })

const listener = (
  keys: Record<string, unknown>,
  binds: readonly string[] = ['198.18.0.100'],
  servers: readonly string[] = ['198.18.0.11', '198.18.0.12'],
): WrittenListener => ({
  keys,
  binds: binds.map((address, i) => ({ address, path: ['bind', i] })),
  servers: servers.map((address, i) => ({ address, path: ['servers', i, 'address'] })),
})

const refused = (datapath: Datapath, ...asked: Parameters<typeof listener>): readonly string[] =>
  refusalsOf(datapath, listener(...asked)).map(({ path, text }) => `${path.join('.')}: ${text}`)

t.test('every key of a listener stands in the table, and nothing else', async (t) => {
  const schema: Schema = JSON.parse(
    JSON.stringify(z.toJSONSchema(listenerSchema, { io: 'input', unrepresentable: 'any' })),
  )
  const keys = keysIn(schema).filter((key) => !nothingToForward.includes(key))
  t.same([...new Set(capabilities.map(({ key }) => key))].toSorted(), [...keys].toSorted())
})

t.test('every value of balance stands in the table, and redispatch with both of its own', async (t) => {
  const valuesOf = (key: string) => capabilities.flatMap((row) => (row.key === key ? [row.value] : []))
  t.same(valuesOf('balance').toSorted(), [...listenerSchema.shape.balance.unwrap().options].toSorted())
  t.same(valuesOf('redispatch').toSorted(), ['false', 'true'])
})

t.test('whatever is refused, some datapath can do, and the text names it', async (t) => {
  for (const { key, value, abilities } of capabilities) {
    const able = datapaths.filter((datapath) => abilities[datapath].can !== 'no')
    t.not(able.length, 0, `${key} ${value}`)
  }
})

t.test('user space can do everything', async (t) => {
  const keys = { retries: 3, redispatch: false, balance: 'first', timeouts: { queue: '5s' } }
  t.same(refused('userspace', keys, ['0.0.0.0', '127.0.0.1'], ['2001:db8::1', '127.0.0.1']), [])
})

t.test(
  'the kernel has no queue, counts no retries and does not go by the file; what is not written is not refused',
  async (t) => {
    t.same(refused('kernel', { balance: 'leastconn', redispatch: true, timeouts: { client: '1h' } }), [])
    t.same(refused('kernel', { timeouts: { connect: '1s', queue: '5s' } }), [
      'timeouts.queue: datapath: kernel has no queue: a client without a server is refused at once; remove this key, or write datapath: userspace, or write datapath: direct',
    ])
    t.same(refused('kernel', { retries: 0, redispatch: false, balance: 'first' }), [
      'balance: datapath: kernel does not fill one server before the next; write another balance, or backup: true on the later servers, or write datapath: userspace',
      'retries: datapath: kernel counts no retries: the kernel of the client asks again by itself; remove this key, or write datapath: userspace',
      'redispatch: datapath: kernel gives a client that asks again any server that is there; remove this key, or write datapath: userspace',
    ])
  },
)

t.test('the kernel translates to one address, within one family, between hosts', async (t) => {
  t.same(refused('kernel', {}, ['2001:db8::100', '2001:db8::101'], ['2001:db8::11']), [])
  t.same(
    refused('kernel', {}, ['198.18.0.100', '0.0.0.0', '::', '127.0.0.1', '::1'], []).map(
      (line) => line.split(':', 1)[0],
    ),
    ['bind.1', 'bind.2', 'bind.3', 'bind.4'],
  )
  t.same(refused('kernel', {}, ['198.18.0.100'], ['198.18.0.11', '2001:db8::11']), [
    'servers.1.address: datapath: kernel translates within one family of addresses, and this server lacks that of a bind; write servers and binds of one family in each listener, or write datapath: userspace',
  ])
  t.same(refused('kernel', {}, ['198.18.0.100', '2001:db8::100'], ['198.18.0.11']).length, 1)
  t.match(refused('kernel', {}, ['198.18.0.100'], ['127.0.0.1']), [
    /^servers\.0\.address: datapath: kernel forwards to other/,
  ])
})

t.test('direct server return takes what the example of its users asks for', async (t) => {
  const keys = {
    balance: 'roundrobin',
    max_connections: 51_200,
    timeouts: { connect: '5s', client: '8h', server: '8h', queue: '5s' },
    redispatch: true,
    on_marked_down: 'shutdown_sessions',
    check: { type: 'http', port: 9222 },
    observe: { enabled: false },
    servers: [
      { name: 'db1', weight: 1 },
      { name: 'db2', weight: 1, backup: false, max_connections: 0 },
    ],
  }
  t.same(refused('direct', keys), [])
})

t.test('direct server return counts nothing before it chooses, and hears no answer of a server', async (t) => {
  const servers = [{ name: 'db1' }, { name: 'db2', max_connections: 100 }]
  t.same(refused('direct', { balance: 'leastconn', retries: 3, observe: { error_limit: 5 }, servers }), [
    'balance: datapath: direct chooses by a hash that every balancer computes alike, whatever sessions there are; write balance: roundrobin, or write datapath: userspace, or write datapath: kernel',
    'retries: datapath: direct counts no retries: the kernel of the client asks again by itself; remove this key, or write datapath: userspace',
    'observe: datapath: direct does not see what servers answer to a connect; remove this key, or write datapath: userspace, or write datapath: kernel',
    'servers.1.max_connections: datapath: direct chooses by a hash that every balancer computes alike, and passes no full server over; write max_connections of the listener, or weights, or write datapath: userspace, or write datapath: kernel',
  ])
  t.same(refused('kernel', { observe: { error_limit: 5 }, servers }), [])
})

t.test('direct server return goes to addresses that servers have too, in one family', async (t) => {
  t.same(
    refused(
      'direct',
      { balance: 'first', redispatch: false },
      ['198.18.0.100', '::', '127.0.0.1'],
      ['198.18.0.11', '::1'],
    ).map((line) => line.split(':', 1)[0]),
    ['bind.1', 'bind.2', 'balance', 'redispatch', 'servers.0.address', 'servers.1.address', 'servers.1.address'],
  )
})

t.test('a listener that nobody can read asks for nothing', async (t) => {
  for (const keys of [undefined, null, 'text', 7, { timeouts: 'none' }, { timeouts: null }]) {
    t.same(refusalsOf('kernel', { keys, binds: [], servers: [] }), [])
  }
})
