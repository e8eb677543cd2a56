// What others do to the host of a balancer that forwards in the kernel, what a hand-over costs there, and what stays behind.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Document } from 'yaml'
import { startProbe } from '../lab/gap-probe.ts'
import type { Host } from '../lab/host.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { familyOf, identify, signalProcess } from '../lab/proc.ts'
import { virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { hostState } from './host-state.ts'
import { untilServes } from './kernel-events.ts'
import { type KernelField, target, unnoticed } from './kernel-field.ts'
import { startWaiting } from './waiting.ts'
import { waitingKinds } from './waiting-messages.ts'

const settled = 500
const foreignTable = 'somebodys_firewall'
const foreignRules = `table inet ${foreignTable} {
  chain forward {
    type filter hook forward priority 0; policy drop;
  }
}
`

/**
 * Somebody's firewall that drops what is forwarded is named. A host that finds that nothing comes through may hand the address
 * over: newcomers wait, and connect here or there.
 */
export const testForeignFirewall = async (t: Test, field: KernelField): Promise<void> => {
  await t.test('a firewall that drops what is forwarded is named, and no newcomer fails for it', async (t) => {
    const { first, messages } = field
    const { reasons } = await field.noticed(t, 'a foreign forward chain with policy drop', async () => {
      t.match(await first.host.run('nft', ['-f', '-'], { input: foreignRules }), { code: 0, stderr: '' })
      const named = await waitFor('a line in the log that names it', () =>
        messages(first).find((msg) => msg.includes(foreignTable)),
      ).finally(() => first.host.run('nft', ['delete', 'table', 'inet', foreignTable]))
      t.comment(named)
      t.match(named, /forward/)
    })
    const { ECONNRESET: _, ...others } = reasons
    t.same(others, {})
    await field.untilHeldBy(first)
  })
}

/** All rules of the host are gone at once: ours come back. */
export const testFlush = async (t: Test, field: KernelField): Promise<void> => {
  await t.test('nft flush ruleset: the rules are back at once, and the log tells it', async (t) => {
    const { first } = field
    const rules = async () => (await first.host.run('nft', ['list', 'ruleset'])).stdout
    const before = await rules()
    t.not(before, '')
    const quiet = await startWaiting(field.site.client, { ...target, ...appUser }, [
      'idle',
      'waiting',
      'idle',
      'waiting',
    ])
    // Acknowledgements of the last word are late.
    await sleep(settled)
    await field.noticed(t, 'nft flush ruleset', async () => {
      const begun = performance.now()
      await first.host.run('nft', ['flush', 'ruleset'])
      await waitFor('the rules', async () => shapeOf(await rules()) === shapeOf(before), { interval: 5 })
      t.comment(`the rules are seen again ${Math.round(performance.now() - begun)} ms after the order`)
      await untilServes(first)
    })
    t.ok(field.messages(first).includes('Table inet balancer is gone; the rules are put back'))
    t.same(
      quiet.now().filter(({ end }) => end !== null),
      [],
      'sessions that said nothing meanwhile go on',
    )
    await quiet.stop()
  })
}

/**
 * Without their supervisor the others hand the address over and end. Sessions are known to the host that they came through
 * alone: they end, and each client is told.
 */
export const testSupervisorKilled = async (t: Test, field: KernelField): Promise<void> => {
  await t.test('kill -9 of the supervisor: the address moves, sessions are reset, newcomers connect', async (t) => {
    const { first, second } = field
    const waiting = await startWaiting(field.site.client, { ...target, ...appUser }, waitingKinds)
    const { reasons } = await field.noticed(t, 'kill -9 of the supervisor', async () => {
      const begun = Date.now()
      await first.process().kill()
      await field.untilHeldBy(second)
      await waitFor('every session that waits to end', () => waiting.now().every(({ end }) => end !== null))
      const ends = waiting.now().map(({ kind, end }) => `${kind} ${end?.reason} ${(end?.at ?? 0) - begun} ms`)
      t.comment(`sessions that waited: ${ends.join(', ')}`)
    })
    const { ECONNRESET: _, ...others } = reasons
    t.same(others, {}, 'who was logging in is reset, and all others have found one or the other')
    await waiting.stop()
    await first.start()
    await field.untilHeldBy(first)
    await untilServes(first)
  })
}

/** What rules say, without what they have counted. */
const shapeOf = (rules: string): string => rules.replaceAll(/packets \d+ bytes \d+/g, '')

const ownPort = 3307
const serverPort = 3316
const probeInterval = 50
const perProbe = 2

const ownListener = (hosts: readonly Host[], datapath: unknown) => ({
  name: 'own',
  bind: `${virtualAddress}:${ownPort}`,
  datapath,
  check: { type: 'tcp', interval: '500ms', rise: 1 },
  servers: hosts.map(({ name, address }) => ({ name, address: `${address}:${serverPort}` })),
})

/** A second listener whose servers run on the balancers themselves, and clients on every host. */
export const testBalancersWithServers = async (t: Test, field: KernelField): Promise<void> => {
  await t.test(
    'balancers that are the database hosts, with clients on every host: SIGTERM moves the address',
    async (t) => {
      const { lab, client, databases, balancers } = field.site
      const hosts = balancers.map(({ host }) => host)
      await Promise.all(hosts.map((host) => startMariaDb({ lab, host, name: host.name, port: serverPort })))
      const extend = (document: Document) =>
        document.addIn(
          ['listeners'],
          document.createNode(ownListener(hosts, document.getIn(['listeners', 0, 'datapath']))),
        )
      for (const balancer of balancers) await field.edit(balancer, extend)
      for (const balancer of balancers) await untilServes(balancer)
      const to = { address: virtualAddress, port: ownPort }
      const clients = [client, ...databases.slice(0, 1).map(({ host }) => host), ...hosts]
      const options = { target: to, ...appUser, interval: probeInterval, sessions: perProbe }
      const probes = await Promise.all(clients.map(async (host) => ({ host, probe: await startProbe(host, options) })))
      const untilAllHeld = () =>
        waitFor('sessions from every host', () =>
          probes.every(({ probe }) => probe.counters().openSessions === perProbe),
        )
      await untilAllHeld()
      const waiting = await startWaiting(client, { ...to, ...appUser }, [...waitingKinds, ...waitingKinds])
      const spread = new Set(waiting.now().map(({ server }) => server))
      t.equal(spread.size, hosts.length, 'each server has sessions')

      const marks = probes.map(({ host, probe }) => ({ host, probe, mark: probe.mark() }))
      const begun = Date.now()
      t.match(await field.first.process().stop(), { code: 0 })
      await field.untilHeldBy(field.second)
      const stopped = Date.now()
      await waitFor('every session that waits to end', () => waiting.now().every(({ end }) => end !== null))
      for (const { host, probe, mark } of marks) {
        await probe.settled()
        const { failed, attempts, slow, longestGapMs, lostSessions, reasons } = probe.since(mark)
        t.comment(
          `from ${host.name}: ${lostSessions} of ${perProbe} sessions lost, ${failed} of ${attempts} new connections failed, ` +
            `${slow} slow, longest gap ${longestGapMs} ms`,
        )
        const { ECONNRESET: _, ...others } = reasons
        t.same(others, {}, `from ${host.name} who was logging in is reset, and all others have found one or the other`)
      }
      const ends = waiting.now().map(({ kind, end }) => `${kind} ${end?.reason} ${(end?.at ?? 0) - begun} ms`)
      t.comment(`the stop took ${stopped - begun} ms; sessions that waited: ${ends.join(', ')}`)
      await untilAllHeld()
      await waiting.stop()
      for (const { probe } of probes) await probe.stop()
    },
  )
}

/** Stopped, or killed and released: the host is as it was before a balancer ran there. */
export const testNothingIsLeft = async (t: Test, field: KernelField): Promise<void> => {
  const { first, second, untouched } = field
  const before = untouched.get(first.host.name)
  await t.test('after a stop the host is as before: rules, entries, settings, addresses', async (t) => {
    if (first.process().isRunning()) await first.process().stop()
    await field.untilHeldBy(second)
    t.same(await hostState(first.host), before)
  })
  await t.test('after kill -9 of everything and balancer release as well', async (t) => {
    await first.start()
    await field.untilHeldBy(first)
    await untilServes(first)
    // With this datapath an address that moves ends its sessions, a little later, and logins that are under way.
    await waitFor('the sessions at the other one to end', async () => {
      const { listeners } = await second.status()
      return listeners.every(({ sessions }) => sessions === 0)
    })
    await field.endLoad()
    await field.probe.settled()
    t.same(await field.noticed(t, 'a moment of work', async () => {}), unnoticed)
    t.notSame(await hostState(first.host), before)
    const family = familyOf(first.process().pid).flatMap((pid) => identify(pid) ?? [])
    for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const one of family) signalProcess(one, signal)
    await first.process().exited
    const { code, stdout, stderr } = await field.command(first, 'release')
    t.comment(stdout)
    t.same({ code, stderr }, { code: 0, stderr: '' })
    t.same(await hostState(first.host), before)
    await field.untilHeldBy(second)
  })
}
