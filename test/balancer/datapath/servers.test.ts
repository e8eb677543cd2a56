// The servers of a listener in user space, and what they tell their plan.

import t, { type Test } from 'tap'
import { createServers } from '../../../balancer/datapath/userspace/servers.ts'
import { healthFact } from '../pool/health-fact.ts'
import { listenerOf } from './planning.ts'

const upServers = (t: Test, keys: Record<string, unknown>) => {
  const servers = createServers({ config: listenerOf(keys), onReopened: () => {} })
  t.teardown(servers.stop)
  for (const name of ['a', 'b']) servers.hear(healthFact(name))
  const names = () => servers.candidates().map(({ name }) => name)
  return { servers, names }
}

/** A session, or an attempt; it tells how it was ended. */
const enter = (servers: ReturnType<typeof upServers>['servers'], name: string, isConnecting = false) => {
  const ended: string[] = []
  const slot = servers.candidates().find((one) => one.name === name)?.slot
  const leave = slot?.enter({
    isConnecting,
    bytes: () => ({ in: 1, out: 2 }),
    end: (reason) => {
      ended.push(reason)
      leave?.()
    },
  })
  return { ended, leave: () => leave?.() }
}

t.test('a new writer waits for the sessions of the old one, and for nothing where there are none', async (t) => {
  const { servers, names } = upServers(t, { balance: 'single' })
  servers.setWriter('a')
  servers.setWriter('b')
  t.same(names(), ['b'], 'nobody was there')
  const session = enter(servers, 'b')
  servers.setWriter('a')
  t.same(names(), [])
  t.ok(servers.isHandingOver())
  session.leave()
  t.same(names(), ['a'])
  t.same(session.ended, [])
})

t.test('attempts end at once, young sessions when they had their time', async (t) => {
  const { servers, names } = upServers(t, { balance: 'single' })
  servers.setWriter('a')
  const [attempt, session] = [enter(servers, 'a', true), enter(servers, 'a')]
  servers.setWriter('b')
  t.same([attempt.ended, session.ended], [['demoted'], []])
  servers.hear(healthFact('a', { role: 'replica' }))
  t.same(session.ended, ['demoted'])
  t.same(names(), ['b'])
})

t.test('candidates have the sessions of the moment, and traffic stays with a server that is renamed', async (t) => {
  const { servers } = upServers(t, {})
  const session = enter(servers, 'a')
  t.same(
    servers.candidates().map(({ sessions }) => sessions),
    [1, 0],
  )
  servers.reconfigure(listenerOf({}, [{ name: 'z', address: '198.18.1.97:3306' }, 'b']))
  session.leave()
  t.match(servers.slots()[0]?.traffic(), { server: 'z', sessions: 0, maximumSessions: 1, bytesIn: 1, bytesOut: 2 })
  t.match(servers.candidates()[0], { name: 'z', sessions: 0 })
})
