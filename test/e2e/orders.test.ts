// Planned switch-overs, and processes of a master that hang or die. One lab for all, in order.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { familyOf, identify, signalProcess } from '../lab/proc.ts'
import { type BalancerHost, instanceName, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { buildPair, ofInstance } from './pair.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-orders' })
t.teardown(() => lab.destroy())
const pair = await buildPair(lab)
const { first, second, untilHeldBy, untilState, command, ask, show, showAll, edit, messages, childOf } = pair
/** How many vrrp processes of a balancer have come as far as their configuration. */
const hasBegun = (balancer: BalancerHost): number =>
  messages(balancer).filter((msg) => msg.startsWith('The vrrp process runs with')).length

await t.test('handover: the other one holds the address and keeps it until ready', async (t) => {
  const handed = await command(first, 'vrrp', instanceName, 'handover')
  t.equal(handed.code, 0, handed.stderr)
  await untilHeldBy(second)
  const received = (await first.status()).vrrp[0]?.received ?? 0
  await waitFor('it to hear the other one', async () => ((await first.status()).vrrp[0]?.received ?? 0) > received + 10)
  t.ok(await second.holdsAddress(), 'the higher priority does not preempt')
  const ready = await command(first, 'vrrp', instanceName, 'ready')
  t.equal(ready.code, 0, ready.stderr)
  await untilHeldBy(first)
})

await t.test('a handover is refused on a backup, and for an instance that is not there', async (t) => {
  const backup = await command(second, 'vrrp', instanceName, 'handover')
  t.equal(backup.code, 1)
  t.match(backup.stderr, /only a master hands over/)
  const unknown = await command(first, 'vrrp', 'VI_9', 'handover')
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, /VI_9.*VI_1/)
  await untilHeldBy(first)
})

await t.test('maint: fault until ready', async (t) => {
  const maint = await command(first, 'vrrp', instanceName, 'maint')
  t.equal(maint.code, 0, maint.stderr)
  await untilHeldBy(second)
  await untilState(first, 'fault')
  t.equal((await command(first, 'vrrp', instanceName, 'ready')).code, 0)
  await untilHeldBy(first)
})

await t.test('what was ordered outlives the vrrp process, until ready', async (t) => {
  for (const [order, state] of [
    ['maint', 'fault'],
    ['handover', 'backup'],
  ] as const) {
    t.equal((await command(first, 'vrrp', instanceName, order)).code, 0, order)
    await untilHeldBy(second)
    const begun = hasBegun(first)
    process.kill(childOf(first, 'vrrp'), 'SIGKILL')
    await waitFor('the vrrp process to be back', () => hasBegun(first) > begun)
    await untilState(first, state)
    const sent = (await second.status()).vrrp[0]?.sent ?? 0
    await waitFor('the other one to go on', async () => ((await second.status()).vrrp[0]?.sent ?? 0) > sent + 10)
    t.equal((await show(first)).state, state)
    t.match((await command(first, 'show', 'vrrp')).stdout, new RegExp(`until "balancer vrrp ${instanceName} ready"`))
    t.equal((await command(first, 'vrrp', instanceName, 'ready')).code, 0)
    await untilHeldBy(first)
  }
})

await t.test('a second balancer on the host does not start, and takes nothing from the first', async (t) => {
  const monitor = first.host.spawn('monitor', 'ip', ['-oneline', 'monitor', 'address'])
  const told = (): readonly string[] => monitor.lines().filter((line) => line.includes(`inet ${virtualAddress}/`))
  await waitFor('a lease to be renewed', () => told().length)
  const { code, stdout } = await command(first, 'run')
  t.equal(code, 1)
  t.match(stdout, /cannot listen on|another balancer answers/)
  const renewed = told().length
  await waitFor('another renewal', () => told().length > renewed)
  await monitor.stop()
  t.same(
    told().filter((line) => line.includes('Deleted')),
    [],
  )
})

for (const role of ['proxy', 'director']) {
  await t.test(`a ${role} that hangs gives the address up, and it comes back with it`, async (t) => {
    const pid = childOf(first, role)
    const faults = (): number =>
      messages(first).filter((msg) => msg === `(${instanceName}) Entering FAULT STATE`).length
    const before = faults()
    process.kill(pid, 'SIGSTOP')
    await untilHeldBy(second)
    t.ok(await waitFor('its fault to be told', () => faults() === before + 1))
    process.kill(pid, 'SIGCONT')
    await untilHeldBy(first)
  })
}

await t.test('kill -9 of the proxy alone does not move the address', async (t) => {
  const before = (await second.status()).vrrp[0]?.transitions
  const pid = childOf(first, 'proxy')
  process.kill(pid, 'SIGKILL')
  await waitFor('the proxy to be started again', () => childOf(first, 'proxy') !== pid)
  await waitFor('its listener to be open', async () =>
    (await first.status()).listeners.every(({ binds }) => binds.every(({ open }) => open)),
  )
  await untilHeldBy(first)
  t.equal((await second.status()).vrrp[0]?.transitions, before)
})

await t.test(
  'kill -9 of the vrrp process while the interface of another instance is gone: only that one is in fault',
  async (t) => {
    const ip = async (...words: readonly string[]) =>
      t.equal((await first.host.run('ip', words)).code, 0, words.join(' '))
    const states = async () => (await showAll(first)).map(({ state }) => state)
    await ip('link', 'add', 'extra0', 'type', 'veth', 'peer', 'name', 'extra1')
    await ip('address', 'add', '198.18.9.2/24', 'dev', 'extra0')
    for (const end of ['extra0', 'extra1']) await ip('link', 'set', end, 'up')
    await edit(first, (document) =>
      document.addIn(['vrrp', 'instances'], {
        name: 'VI_2',
        interface: 'extra0',
        virtual_router_id: 52,
        version: 3,
        advertisement_interval: '100ms',
        track: { serving: false },
        virtual_addresses: ['198.18.9.100/24'],
      }),
    )
    await waitFor('both to be master', async () => (await states()).join() === 'master,master')
    await ip('link', 'delete', 'extra0')
    await waitFor('the second to be in fault', async () => (await states()).join() === 'master,fault')
    const begun = hasBegun(first)
    process.kill(childOf(first, 'vrrp'), 'SIGKILL')
    await waitFor('the vrrp process to be back', () => hasBegun(first) > begun)
    await untilHeldBy(first)
    await waitFor('both to be as before', async () => (await states()).join() === 'master,fault')
    t.match((await showAll(first))[1]?.reason, 'there is no interface extra0')
    await edit(first, (document) => document.deleteIn(['vrrp', 'instances', 1]))
  },
)

await t.test('from here on at an interval of a second, where more fits into a hand-over', async () => {
  for (const balancer of [first, second]) {
    await edit(balancer, (document) => document.setIn(ofInstance('advertisement_interval'), '1s'))
  }
  await untilHeldBy(first)
})

/** Orders something of the first, and resolves when it keeps its addresses for a successor. */
const begin = async (order: string) => {
  const outcome = command(first, 'vrrp', instanceName, order)
  await waitFor('it to leave', async () => (await show(first)).handing_over)
  return { outcome }
}

await t.test('two orders at once are one hand-over', async (t) => {
  // Not by the command: a second one may take as long to start as the first hand-over takes.
  const both = await Promise.all(['handover', 'handover'].map((order) => ask(first, `vrrp ${instanceName} ${order}`)))
  t.match(both, [/is handed over/, /is handed over/])
  t.equal((await command(first, 'vrrp', instanceName, 'ready')).code, 0)
  await untilHeldBy(first)
})

await t.test('with nobody there: every order gets its own answer, and the address stays', async (t) => {
  t.equal((await command(second, 'vrrp', instanceName, 'maint')).code, 0)
  // A director that takes longer than 3 s to be back is a fault, and what is asked here is another question.
  await edit(first, (document) => document.setIn(ofInstance('track'), { serving: false }))
  const monitor = first.host.spawn('monitor', 'ip', ['-oneline', 'monitor', 'address'])

  const alone = await begin('handover')
  t.match(await alone.outcome, { code: 1, stderr: /no other router took over; this one stays master/ })

  const maintained = await begin('maint')
  t.match(await ask(first, `vrrp ${instanceName} ready`), /takes part again: master/)
  t.match(await maintained.outcome, { code: 1, stderr: /"ready" was ordered meanwhile/ })

  const orphaned = await begin('handover')
  process.kill(childOf(first, 'director'), 'SIGKILL')
  t.match(await orphaned.outcome, { code: 1, stderr: /ended without an answer/ })
  await waitFor('another director to answer', async () => (await command(first, 'show', 'vrrp')).code === 0)
  t.match(await command(first, 'vrrp', instanceName, 'ready'), { code: 0, stdout: /takes part again: master/ })
  await untilState(first, 'master')

  const reloaded = await begin('handover')
  first.process().signal('SIGHUP')
  t.match(await reloaded.outcome, { code: 1, stderr: /stays master/ })

  const flushed = await begin('handover')
  await first.host.run('nft', ['flush', 'ruleset'])
  t.match(await flushed.outcome, { code: 1, stderr: /stays master/ })
  await monitor.stop()
  t.same(
    monitor.lines().filter((line) => line.includes('Deleted') && line.includes(virtualAddress)),
    [],
  )
  await edit(first, (document) => document.deleteIn(ofInstance('track')))
})

const applied = async (): Promise<number> =>
  (await command(first, 'show', 'events')).stdout.split('Another configuration was applied').length

await t.test(
  'kill -9 of the vrrp process while it applies a configuration: told at once, and taken back',
  async (t) => {
    const before = await applied()
    const vrrp = childOf(first, 'vrrp')
    const good = readFileSync(first.configFile, 'utf8')
    process.kill(vrrp, 'SIGSTOP')
    writeFileSync(first.configFile, good.replace(/priority: \d+/, 'priority: 111'))
    const reload = command(first, 'reload')
    await waitFor('the director to have it', async () => (await applied()) > before)
    process.kill(vrrp, 'SIGKILL')
    t.match(await reload, {
      code: 1,
      stderr: /the process vrrp died while it applied it\nThe running configuration stays/,
    })
    writeFileSync(first.configFile, good)
    t.match(await command(first, 'reload'), { code: 0, stdout: /Nothing changed/ })
    await untilHeldBy(first)
    await untilState(first, 'master')
    t.equal((await show(first)).priority, 101)
  },
)

await t.test('a vrrp process that hangs while it is to apply a configuration wakes up with the old one', async (t) => {
  const before = await applied()
  const vrrp = childOf(first, 'vrrp')
  const good = readFileSync(first.configFile, 'utf8')
  process.kill(vrrp, 'SIGSTOP')
  writeFileSync(first.configFile, good.replace(/priority: \d+/, 'priority: 111'))
  const reload = command(first, 'reload')
  await waitFor('the director to have it', async () => (await applied()) > before)
  // Later than it is waited for, and sooner than a process that says nothing is killed: that is after 30 s.
  await sleep(15_000)
  process.kill(vrrp, 'SIGCONT')
  t.match(await reload, {
    code: 1,
    stderr: /did not apply it within 10 s: it says nothing,.*\nThe running/,
  })
  // A later reload has its own answer, behind those that nobody waits for any more.
  writeFileSync(first.configFile, good.replace(/priority: \d+/, 'priority: 112'))
  t.match(await command(first, 'reload'), { code: 0, stdout: /priority 101 -> 112/ })
  await waitFor('its priority to be shown', async () => (await show(first)).priority === 112)
  writeFileSync(first.configFile, good)
  t.match(await command(first, 'reload'), { code: 0, stdout: /priority 112 -> 101/ })
  await untilHeldBy(first)
})

/** The last word, when the address is gone, is below the priority of the new master, who announces it once more then. */
const untilTold = (): Promise<unknown> =>
  waitFor('the other one to be told', async () => {
    const { state, last_advertisement: heard } = await show(second)
    return state === 'master' && heard?.from === first.host.address && heard.priority === 99
  })

await t.test('kill -9 of the vrrp process that is to stop: the parent hands over what it left', async (t) => {
  t.equal((await command(second, 'vrrp', instanceName, 'ready')).code, 0)
  const monitor = first.host.spawn('monitor', 'ip', ['-oneline', 'monitor', 'address'])
  const told = (): readonly string[] => monitor.lines().filter((line) => line.includes(`inet ${virtualAddress}/`))
  await waitFor('a lease to be renewed', () => told().length)
  const vrrp = childOf(first, 'vrrp')
  process.kill(vrrp, 'SIGSTOP')
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGHUP'] as const) first.process().signal(signal)
  await waitFor('the stop to begin', () => messages(first).includes('Stopping (SIGTERM)'))
  process.kill(vrrp, 'SIGKILL')
  t.match(await first.process().exited, { code: 0 })
  const gone = told().find((line) => line.includes('Deleted'))
  t.match(gone, /valid_lft [1-9]\d*sec/, 'it was taken away before its lease ended')
  await untilTold()
  t.equal((await first.host.run('pgrep', ['-f', first.configFile])).stdout, '', 'no process is left')
  await monitor.stop()
  await first.start()
  await untilHeldBy(first)
})

await t.test('a vrrp process that cannot be brought back: the parent hands the address over', async (t) => {
  // The proxy that was killed is surely back, or this host may be in fault just now.
  await waitFor('the proxy to be back', () => {
    const all = messages(first)
    return (
      all.findLastIndex((msg) => msg.startsWith('Listener mysql is open')) > all.lastIndexOf('Process proxy started')
    )
  })
  await untilState(first, 'master')
  const monitor = first.host.spawn('monitor', 'ip', ['-oneline', 'monitor', 'address'])
  const leases = (): readonly string[] => monitor.lines().filter((line) => line.includes(`inet ${virtualAddress}/`))
  await waitFor('a lease to be renewed', () => leases().length)
  const begun = hasBegun(first)

  // Seen by the kernel's eyes: the log may tell of a new process only when that has begun its work.
  const others = new Set([first.process().pid, childOf(first, 'proxy'), childOf(first, 'director')])
  const killer = setInterval(() => {
    for (const pid of familyOf(first.process().pid)) {
      const found = others.has(pid) ? undefined : identify(pid)
      if (found !== undefined) signalProcess(found, 'SIGKILL')
    }
  }, 10)
  t.teardown(() => clearInterval(killer))
  await untilHeldBy(second)
  const gone = await waitFor('its end to be told', () => leases().find((line) => line.includes('Deleted')))
  const farewell = `(${instanceName}) sent 0 priority: its process is not back in time`
  await waitFor('the log to tell', () => messages(first).includes(farewell))
  await untilTold()
  await waitFor('the status to tell', async () => (await show(first)).state === 'init')
  clearInterval(killer)

  t.equal(hasBegun(first), begun, 'no vrrp process came as far as its configuration')
  t.match(gone, /valid_lft [1-9]\d*sec/, 'it was taken away before its lease ended')
  await monitor.stop()
  await untilHeldBy(first)
})

await t.test('an order to a server, and what has happened, last over a stop and a kill -9 of everything', async (t) => {
  const server = 'mysql/db1'
  const shown = async (): Promise<string> => (await command(second, 'show', 'servers')).stdout
  await edit(second, (document) => document.set('state_file', join(lab.directory, 'second.json')))
  t.match(await ask(second, `server ${server} drain`), /drain/)
  const isDrained = async () => new RegExp(`^${server} +DRAIN `, 'm').test(await shown())
  await waitFor('it to be drained', isDrained)
  t.match(await second.process().stop(), { code: 0 })
  await second.start()
  await waitFor('it to be drained again', isDrained)
  t.match(
    (await command(second, 'show', 'events')).stdout,
    new RegExp(`Server ${server}: an operator at \\S+ ordered drain`),
  )
  await second.host.killAll()
  await second.start()
  await waitFor('it to be drained still', isDrained)
  t.match(await ask(second, `server ${server} ready`), /ready/)
})
