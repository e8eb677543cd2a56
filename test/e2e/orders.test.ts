// Planned switch-overs, and processes of a master that hang or die. One lab for all, in order.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { familyOf, identify, signalProcess } from '../lab/proc.ts'
import { instanceName, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { buildPair } from './pair.ts'

t.setTimeout(300_000)
const lab = await createLab({ name: 'e2e-orders' })
t.teardown(() => lab.destroy())
const { first, second, untilHeldBy, untilState, command, show, messages, childOf } = await buildPair(lab)

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

for (const role of ['proxy', 'director']) {
  await t.test(`a ${role} that hangs gives the address up, and it comes back with it`, async (t) => {
    const pid = childOf(first, role)
    const faults = (): number =>
      messages(first).filter((msg) => msg === `(${instanceName}) Entering FAULT STATE`).length
    const before = faults()
    process.kill(pid, 'SIGSTOP')
    await untilHeldBy(second)
    t.equal(faults(), before + 1)
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
  const hasBegun = (): number => messages(first).filter((msg) => msg.startsWith('The vrrp process runs with')).length
  const begun = hasBegun()

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
  const { state, last_advertisement: heard } = await show(second)
  await waitFor('the status to tell', async () => (await show(first)).state === 'init')
  clearInterval(killer)

  t.equal(state, 'master')
  t.match(heard, { from: first.host.address, priority: 0 }, 'the other one was told')
  t.equal(hasBegun(), begun, 'no vrrp process came as far as its configuration')
  t.match(gone, /valid_lft [1-9]\d*sec/, 'it was taken away before its lease ended')
  await monitor.stop()
  await untilHeldBy(first)
})
