import t from 'tap'
import { type ListenerConfig, listenerSchema } from '../../../balancer/config/listener-schema.ts'
import type { Datapath } from '../../../balancer/core/forwarders.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { Fact } from '../../../balancer/pool/core/facts.ts'
import {
  applyOrder,
  type Deaths,
  farewellAt,
  hearersOf,
  isMaster,
  isOfProcess,
  leavesItsWork,
  neededRoles,
  processRoles,
  restartAfter,
  resumptions,
  roleChange,
} from '../../../balancer/supervisor/core/processes.ts'
import { parseFromChild, parseToChild, versionIn } from '../../../balancer/supervisor/messages.ts'
import { healthFact } from '../pool/health-fact.ts'
import { listenerFact } from '../pool/listener-fact.ts'
import { routerFact } from '../pool/router-fact.ts'

const router = routerFact()

t.test('the first three deaths within a minute are followed at once, later ones ever later up to 10 s', async (t) => {
  let deaths: Deaths = []
  const delays = Array.from({ length: 12 }, (_, i) => {
    const next = restartAfter(deaths, millis(i * 10))
    deaths = next.deaths
    return next.delay
  })
  t.same(delays, [0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000])
})

t.test('a quiet minute forgives all deaths', async (t) => {
  const deaths = [0, 1, 2, 3, 4].map(millis)
  t.same(restartAfter(deaths, millis(60_005)), { delay: 0, deaths: [60_005] })
})

t.test('a master may go on until the others begin to miss it, a backup never', async (t) => {
  t.same(resumptions([router], millis(5000)), [{ instance: 'VI_1', until: 5200, lateUntil: 5400 }])
  t.same(resumptions([{ ...router, state: 'backup' }], millis(5000)), [])
  const going = resumptions([{ ...router, handingOver: true }], millis(5000))
  t.same(going, [{ instance: 'VI_1', until: 5000, lateUntil: 5400 }], 'one that was handing over goes on with that')
})

t.test(
  'the others are told when nobody can go on as master, or at once where nobody will come back in time',
  async (t) => {
    const slow = { ...router, advertisementInterval: millis(1000) }
    t.equal(farewellAt([slow, router], millis(5000), millis(0)), 5250)
    t.equal(farewellAt([slow, router], millis(5000), millis(250)), 5000)
    t.equal(farewellAt([slow], millis(5000), millis(250)), 7500)
    t.ok(isMaster({ ...router, handingOver: true }), 'who was handing over has its addresses too')
  },
)

t.test('facts reach those who act on them', async (t) => {
  t.same(hearersOf(router), ['director'])
  t.same(hearersOf(healthFact('db1', {})), ['proxy', 'kernel', 'vrrp'])
})

const listener = (datapath: Datapath): ListenerConfig => ({
  ...listenerSchema.parse({
    name: datapath,
    bind: '198.18.0.2:3306',
    servers: [{ name: 'db1', address: '198.18.0.3:3306' }],
  }),
  datapath,
})

t.test('a forwarder runs where a listener needs it, and nowhere else', async (t) => {
  t.same(neededRoles({ listeners: [] }), ['director', 'vrrp'])
  t.same(neededRoles({ listeners: [listener('userspace')] }), ['proxy', 'director', 'vrrp'])
  t.same(neededRoles({ listeners: [listener('kernel'), listener('kernel')] }), ['kernel', 'director', 'vrrp'])
  t.same(neededRoles({ listeners: [listener('kernel'), listener('userspace')] }), processRoles)
  t.same(roleChange(['proxy', 'director'], ['kernel', 'director']), {
    begin: ['kernel'],
    stay: ['director'],
    end: ['proxy'],
  })
})

t.test('addresses and rules stay when their processes make way, sessions in a process do not', async (t) => {
  t.same(processRoles.filter(leavesItsWork), ['kernel', 'vrrp'])
})

t.test('what a forwarder told goes with it', async (t) => {
  const beat: Fact = { fact: 'heartbeat', process: 'kernel', at: millis(1) }
  const told = listenerFact({ datapath: 'kernel' })
  for (const fact of [beat, told]) {
    t.ok(isOfProcess(fact, 'kernel'), fact.fact)
    t.notOk(isOfProcess(fact, 'proxy'), fact.fact)
  }
  t.notOk(isOfProcess(healthFact('db1', {}), 'kernel'), 'what is known of servers stays')
})

t.test('a fact survives the trip between two processes', async (t) => {
  const message = { type: 'fact', fact: router }
  t.same(parseFromChild(JSON.parse(JSON.stringify(message))), { ok: true, message })
  t.same(parseToChild(JSON.parse(JSON.stringify(message))), { ok: true, message })
})

t.test('what is no message is none', async (t) => {
  for (const received of [null, 1, 'stop', {}, { type: 'fact' }, { type: 'fact', fact: { fact: 'weather' } }]) {
    t.match(parseFromChild(received), { ok: false }, JSON.stringify(received))
    t.match(parseToChild(received), { ok: false }, JSON.stringify(received))
  }
})

t.test(
  'what is wrong with a message is told without its contents, and the version whatever else is in it',
  async (t) => {
    const config = { vrrp: { instances: [{ authentication: { password: 'hunter2' } }] } }
    const strange = {
      type: 'configure',
      version: '9.9.9',
      config,
      resumption: ['hunter2'],
      facts: [{ fact: 'hunter2' }],
    }
    t.same(parseToChild(strange), { ok: false, text: 'configure, wrong at resume, facts.0.fact' })
    t.same(parseToChild({ type: 'hunter2', config }), { ok: false, text: 'of a kind nobody knows' })
    t.same(parseFromChild({ type: 'fact', fact: { fact: 'hunter2' } }), { ok: false, text: 'fact, wrong at fact.fact' })
    t.equal(versionIn(strange), '9.9.9')
    t.equal(versionIn({ type: 'configure', config }), 'another')
    t.equal(versionIn({ type: 'fact' }), undefined)
  },
)

t.test('who gets a listener that another had applies a configuration first', (t) => {
  const having = (datapath: 'userspace' | 'kernel') => ({ listeners: [{ name: 'm', datapath }] })
  const roles = ['proxy', 'kernel', 'director', 'vrrp'] as const
  t.same(applyOrder(roles, having('userspace'), having('kernel')), ['kernel', 'proxy', 'director', 'vrrp'])
  t.same(applyOrder(roles, having('kernel'), having('userspace')), roles)
  t.same(applyOrder(roles, having('kernel'), having('kernel')), roles)
  t.end()
})
