import fc from 'fast-check'
import t from 'tap'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { createAccounts } from '../../../balancer/pool/core/accounts.ts'
import type { Events } from '../../../balancer/pool/core/events.ts'
import type { Orders } from '../../../balancer/pool/core/facts.ts'
import { lastingText, readLasting } from '../../../balancer/pool/core/lasting-state.ts'
import { createPool } from '../../../balancer/pool/core/pool.ts'
import { failedCheck, healthFact } from './health-fact.ts'

const configOf = (server: object = {}) =>
  balancerSchema.parse({
    router_id: 'lb1',
    listeners: [
      {
        name: 'mysql',
        bind: '198.18.0.100:3306',
        servers: [
          { name: 'db1', address: '198.18.0.11:3306', weight: 5, ...server },
          { name: 'db2', address: '198.18.0.12:3306' },
        ],
      },
    ],
  })

const drained: Orders = { admin: 'drain', weight: 2, adminSince: 1000, weightSince: 1500 }
const events: Events = [{ at: 1000, level: 'warn', text: 'Server mysql/db1: drain', fields: { server: 'db1' } }]

const saved = (() => {
  const facts = [healthFact('db1', { orders: drained }), healthFact('db2', { up: false, lastCheck: failedCheck() })]
  const accounts = createAccounts()
  for (const fact of facts) accounts.hear(fact, 1000)
  return lastingText(configOf(), createPool(facts), accounts, events, 3000)
})()

t.test('orders, counters and events come back', async (t) => {
  const state = readLasting(saved, configOf())
  t.same(state.orders, [{ listener: 'mysql', server: 'db1', orders: drained }])
  t.same(state.events, events)
  t.same(state.problems, [])
  const accounts = createAccounts()
  accounts.restore(state.accounts)
  t.match(accounts.server('mysql/db2'), { checks: 1, failedChecks: 1, downs: 1, downMillis: 2000, downSince: null })
})

t.test('a changed configuration wins, and it is said', async (t) => {
  const weighed = readLasting(saved, configOf({ weight: 6 }))
  t.same(weighed.orders[0]?.orders, { ...drained, weight: null, weightSince: null })
  t.match(weighed.problems, [/^mysql\/db1 has another weight .* the ordered weight 2 is forgotten$/])
  const moved = readLasting(saved, configOf({ address: '198.18.0.99:3306' }))
  t.same(moved.orders, [])
  t.match(moved.problems, [/^mysql\/db1 has another address /])
  const renamed = readLasting(saved, configOf({ name: 'other' }))
  t.same([renamed.orders, renamed.problems], [[], []])
})

t.test('a file that is cut off at any byte gives nothing back, and says so', async (t) => {
  const config = configOf()
  for (let length = 0; length < saved.length - 2; length += 1) {
    const state = readLasting(saved.slice(0, length), config)
    if (state.problems.length !== 1 || state.orders.length > 0) t.fail(`cut off after ${length} bytes`)
  }
  t.pass('every length')
})

t.test('random bytes, and random changes of a good file, never throw', async (t) => {
  const config = configOf()
  fc.assert(fc.property(fc.string(), (text) => readLasting(text, config).problems.length === 1))
  t.same(readLasting('[]', config).orders, [])
  fc.assert(
    fc.property(fc.nat(saved.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (at, text) => {
      readLasting(saved.slice(0, at) + text + saved.slice(at + text.length), config)
      return true
    }),
  )
})

t.test('what a file says is shown without control characters', async (t) => {
  const state = readLasting(saved.replace('Server mysql', '\\u001b[31mServer mysql'), configOf())
  t.equal(state.events[0]?.text, '[31mServer mysql/db1: drain')
})
