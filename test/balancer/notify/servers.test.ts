import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { listenerSchema } from '../../../balancer/config/listener-schema.ts'
import { notifySchema } from '../../../balancer/config/notify-schema.ts'
import { createServerChanges } from '../../../balancer/notify/core/server-changes.ts'
import { startServerNotifications } from '../../../balancer/notify/server-notifications.ts'
import type { ServerHealthFact, WriterFact } from '../../../balancer/pool/core/facts.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { failedCheck, healthFact } from '../pool/health-fact.ts'
import { quietLog } from '../vrrp/quiet-log.ts'
import { directory, linesOf, program, serve } from './stage.ts'

t.setTimeout(600_000)
const down = healthFact('db1', { up: false, lastCheck: failedCheck() })
const unchecked = healthFact('db1', { up: false, counters: [null] })
const writer = (server: string | null): WriterFact => ({ fact: 'writer', listener: 'mysql', server, since: 1 })
const agentOf = (change: Partial<NonNullable<ServerHealthFact['agent']>>) => ({
  at: 1,
  admin: 'ready' as const,
  down: false,
  percent: null,
  maximumSessions: null,
  text: 'says so',
  ...change,
})

/** What is told of facts in a row, in short; `-` is silence. */
const told = (...facts: readonly (ServerHealthFact | WriterFact)[]): readonly string[] => {
  const changes = createServerChanges()
  return facts.map((fact) => {
    const change = changes.hear(fact)
    if (change === undefined) return '-'
    const become = change.type === 'SERVER' ? change.state : change.server
    return `${change.previous} -> ${become}: ${change.reason}`
  })
}

t.test('a server that is up at first is no news, one that is not is, and the same again never', async (t) => {
  t.same(told(unchecked, healthFact('db1'), healthFact('db1', { weight: 5 }), down, down), [
    '-',
    '-',
    '-',
    'up -> down: connection-refused: connection-refused',
    '-',
  ])
  t.same(told(unchecked, down, unchecked, healthFact('db1')), [
    '-',
    'null -> down: connection-refused: connection-refused',
    '-',
    'down -> up: not checked yet',
  ])
})

t.test('who takes a server out is the reason', async (t) => {
  const orders = (admin: 'drain' | 'maint') => ({ admin, orders: { admin, weight: null } })
  const up = healthFact('db1')
  t.same(told(up, healthFact('db1', orders('maint')), healthFact('db1', orders('drain')), up), [
    '-',
    'up -> maint: ordered by an operator',
    'maint -> drain: ordered by an operator',
    'drain -> up: not checked yet',
  ])
  t.same(told(up, healthFact('db1', { admin: 'drain', agent: agentOf({ admin: 'drain' }) }), up), [
    '-',
    'up -> drain: agent says "says so"',
    'drain -> up: not checked yet',
  ])
  t.same(told(up, healthFact('db1', { draining: true })), ['-', 'up -> drain: the check answered 404'])
  t.same(told(up, healthFact('db1', { up: false, agent: agentOf({ down: true }) })), [
    '-',
    'up -> down: agent says "says so"',
  ])
})

t.test('a writer is told when it is another one, with what became of the one before', async (t) => {
  t.same(told(writer('db1'), healthFact('db1'), down, writer('db2'), writer('db2'), writer(null), writer('db1')), [
    '-',
    '-',
    'up -> down: connection-refused: connection-refused',
    'db1 -> db2: db1 is DOWN: connection-refused: connection-refused',
    '-',
    'db2 -> null: db2 is the writer no more',
    'null -> db1: there was none',
  ])
})

t.test('whatever happens, each change begins where the last one ended', async (t) => {
  const fact = fc.record({ up: fc.boolean(), admin: fc.constantFrom('ready', 'drain', 'maint'), isKnown: fc.boolean() })
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 40 }), (facts) => {
      const changes = createServerChanges()
      let last: string | null = null
      for (const { up, admin, isKnown } of facts) {
        const change = changes.hear(healthFact('db1', { up, admin, counters: [isKnown ? 1 : null] }))
        if (change?.type !== 'SERVER') continue
        t.not(change.state, change.previous)
        if (last !== null) t.equal(change.previous, last)
        last = change.state
      }
    }),
  )
})

const configOf = (notify: object, servers: readonly string[] = ['db1', 'db2']) => ({
  router_id: 'lb1',
  vrrp: {},
  notify: notifySchema.parse(notify),
  listeners: ['mysql', 'other'].map((name, i) =>
    listenerSchema.parse({
      name,
      bind: `198.18.0.2:${3306 + i}`,
      servers: servers.map((server, j) => ({ name: server, address: `198.18.0.${11 + j}:3306` })),
    }),
  ),
})
const start = (notify: object) => {
  const { log, messages } = quietLog()
  const notifications = startServerNotifications(configOf(notify), log)
  t.teardown(notifications.stop)
  return { notifications, messages }
}

t.test('scripts learn listener, server, both states and the reason, by arguments and environment', async (t) => {
  const out = join(directory, 'servers')
  const tell = (word: string): string =>
    `echo "${word} [$*] $(tr '\\0' '\\n' < /proc/$$/environ | grep ^BALANCER_ | sort | tr '\\n' '|')" >> ${out}`
  const server = [program('on-server', tell('server')), 'own']
  const { notifications } = start({ server, writer: program('on-writer', tell('writer')) })
  const up = healthFact('db1')
  for (const fact of [up, writer('db1')]) notifications.hear(fact)
  notifications.speak(true)
  const reason = 'evil\u001b[2J\u202e\0text'
  for (const fact of [
    up,
    healthFact('db1', { up: false, lastCheck: { ...failedCheck('not-primary'), text: reason } }),
    writer('db2'),
    writer(null),
  ]) {
    notifications.hear(fact)
  }
  await waitFor('all to be told', () => linesOf(out).length === 3)
  const shown = 'not-primary: evil [2J text'
  t.same(linesOf(out), [
    `server [own SERVER mysql/db1 DOWN UP] BALANCER_LISTENER=mysql|BALANCER_NAME=mysql/db1|BALANCER_PREVIOUS_STATE=UP|BALANCER_REASON=${shown}|BALANCER_ROUTER_ID=lb1|BALANCER_SERVER=db1|BALANCER_STATE=DOWN|BALANCER_TYPE=SERVER|`,
    `writer [WRITER mysql db2 db1] BALANCER_LISTENER=mysql|BALANCER_NAME=mysql|BALANCER_PREVIOUS_SERVER=db1|BALANCER_REASON=db1 is DOWN: ${shown}|BALANCER_ROUTER_ID=lb1|BALANCER_SERVER=db2|BALANCER_TYPE=WRITER|`,
    'writer [WRITER mysql  db2] BALANCER_LISTENER=mysql|BALANCER_NAME=mysql|BALANCER_PREVIOUS_SERVER=db2|BALANCER_REASON=db2 is the writer no more|BALANCER_ROUTER_ID=lb1|BALANCER_SERVER=|BALANCER_TYPE=WRITER|',
  ])
})

t.test('webhooks get the same as JSON; a program that is not to speak is silent and forgets nothing', async (t) => {
  const heard: unknown[] = []
  const url = await serve((_, response, body) => {
    heard.push(JSON.parse(body))
    response.end()
  })
  const { notifications } = start({ webhooks: [{ url }] })
  notifications.hear(down)
  notifications.speak(true)
  notifications.hear(down)
  notifications.hear(healthFact('db1', { lastCheck: { ...failedCheck('ok'), passed: true } }))
  notifications.speak(false)
  notifications.hear(down)
  notifications.speak(true)
  for (const server of ['db1', 'db2', null]) notifications.hear(writer(server))
  await waitFor('all', () => heard.length === 3)
  await notifications.stop()
  const common = { router_id: 'lb1', listener: 'mysql', test: false }
  t.match(heard, [
    { ...common, event: 'server-state', server: 'db1', state: 'up', previous_state: 'down', reason: 'ok: ok' },
    { ...common, event: 'writer', server: 'db2', previous_server: 'db1' },
    { ...common, event: 'writer', server: null, previous_server: 'db2' },
  ])
})

t.test('one listener waits for its own scripts alone, and a reload changes who is told', async (t) => {
  const out = join(directory, 'rows')
  const gate = join(directory, 'rows-gate')
  const slow = program(
    'slow',
    `test $BALANCER_LISTENER = mysql && while ! test -e ${gate}; do sleep 0.05; done; echo "slow $BALANCER_NAME" >> ${out}`,
  )
  const next = program('next', `echo "next $BALANCER_NAME" >> ${out}`)
  const { notifications, messages } = start({ server: slow, timeout: '1m' })
  notifications.speak(true)
  notifications.hear(down)
  notifications.hear({ ...down, listener: 'other' })
  await waitFor('the other listener', () => linesOf(out).length === 1)
  t.same(linesOf(out), ['slow other/db1'])
  t.same(notifications.reconfigure(configOf({ server: next }, ['db1'])), ['notify: changed server, timeout'])
  t.same(notifications.reconfigure(configOf({ server: next }, ['db1'])), [])
  notifications.hear({ ...down, listener: 'other', server: 'db2' })
  notifications.hear(healthFact('db1'))
  await waitFor('who is told now', () => linesOf(out).length === 2)
  t.ok(!existsSync(gate))
  writeFileSync(gate, '')
  await waitFor('the rest', () => linesOf(out).length === 4)
  t.same(linesOf(out), ['slow other/db1', 'next other/db2', 'slow mysql/db1', 'next mysql/db1'])
  // Of more changes than anybody has time for the newest are told.
  for (let i = 0; i < 300; i += 1) notifications.hear(i % 2 === 0 ? down : healthFact('db1'))
  await waitFor('a line in the log', () => messages().some((line) => /too slow: left out (UP|DOWN)$/.test(line)))
})
