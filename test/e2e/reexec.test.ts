// The running program is replaced by the one on disk, under load: nobody may notice. One lab for all, in order.

import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { startProbe } from '../lab/gap-probe.ts'
import { createLab } from '../lab/lab.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { familyOf, identify } from '../lab/proc.ts'
import { createReleases, type Patch } from '../lab/release.ts'
import { type BalancerHost, instanceName, servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { buildPair } from './pair.ts'

t.setTimeout(900_000)
const lab = await createLab({ name: 'e2e-reexec' })
t.teardown(() => lab.destroy())
const releases = createReleases(lab.directory)
releases.install('1.0.0')
const pair = await buildPair(lab, { balancerProgram: releases.program })
const { first, second, ask, command, edit, untilHeldBy, messages } = pair
const target = { address: virtualAddress, port: servicePort }
const probe = await startProbe(pair.site.client, { target, ...appUser, interval: 40, timeout: 30_000, sessions: 4 })
const heldSessions = 4

/** Which router is what, and how often that has changed. */
const routers = () =>
  Promise.all(
    [first, second].map(async (one) => (await one.status()).vrrp.map(({ state, transitions }) => [state, transitions])),
  )
const versionOf = async (balancer: BalancerHost): Promise<string> => {
  const { stdout } = await command(balancer, 'show', 'sessions')
  return /of version (\S+):/.exec(stdout)?.[1] ?? 'none'
}

/** The process id of a supervisor that a balancer has started of this version. */
const startedBy = (balancer: BalancerHost, version: string): number | undefined => {
  const line = balancer
    .process()
    .lines()
    .find((one) => one.includes(`Balancer ${version} starting`))
  return line === undefined ? undefined : JSON.parse(line).pid
}

/** A director that never says that it is ready. */
const hangs: Patch = {
  file: 'main/director.js',
  from: 'page = await',
  to: 'await new Promise(() => {}); page = await',
}
/** Has a program of this version begin to take over, which it never ends. */
const halfway = async (version: string) => {
  releases.install(version, [hangs])
  const answer = ask(first, 'reexec').catch((error: unknown) => String(error))
  const pid = await waitFor('the new one', () => startedBy(first, version))
  await waitFor('its processes', () => familyOf(pid).length === 4)
  return { pid, answer, family: familyOf(first.process().pid) }
}
const untilGone = (family: readonly number[]): Promise<unknown> =>
  waitFor('every process to end', () => family.every((pid) => identify(pid) === undefined))
/** Starts it again, with this version. */
const restart = async (version: string): Promise<void> => {
  releases.install(version)
  await first.start()
  await untilHeldBy(first)
}
const untilHeld = (): Promise<unknown> =>
  waitFor('the held sessions', () => probe.counters().openSessions === heldSessions)
/** The sessions of the programs before it end when this is done, and nobody is shown any more. */
const untilDrainedBy = async (act: () => Promise<unknown>): Promise<void> => {
  const { lostSessions } = probe.counters()
  await act()
  await waitFor('held sessions to end', () => probe.counters().lostSessions - lostSessions >= heldSessions)
  await waitFor('nobody to be shown', async () => (await versionOf(first)) === 'none')
}

/** Does something, and asserts that no client and no router has noticed. */
const unnoticed = async (test: Test, act: () => Promise<void>): Promise<void> => {
  const [before, mark] = [await routers(), probe.mark()]
  await act()
  await probe.settled()
  const { failed, lostSessions, attempts, reasons } = probe.since(mark)
  test.ok(attempts > 0)
  test.same({ failed, lostSessions, reasons }, { failed: 0, lostSessions: 0, reasons: {} })
  test.same(await routers(), before, 'no router has changed its state')
}

await t.test('master and backup are replaced, and nobody notices', async (t) => {
  // Its director is ready later than a silence of a running one would be a fault.
  const isLate = 'await new Promise((resolve) => setTimeout(resolve, 4000)); const stopHeartbeat'
  releases.install('1.1.0', [{ file: 'main/director.js', from: 'const stopHeartbeat', to: isLate }])
  await unnoticed(t, async () => {
    const answer = await command(first, 'reexec')
    t.equal(answer.code, 0, answer.stderr)
    releases.install('1.1.0')
    t.match(answer.stdout, /^Version 1\.1\.0 runs in place of 1\.0\.0\.\n\d+ session\(s\) go on in process \d+, until /)
    t.equal(await ask(second, 'reexec'), 'Version 1.1.0 runs in place of 1.0.0.\nNo session is left in the old one.\n')
  })
  const states = messages(first).filter((msg) => msg.startsWith('(VI_1)'))
  t.equal(states.at(-1), '(VI_1) MASTER STATE goes on in version 1.1.0', 'nothing that looks like a fail-over')
  t.ok(messages(second).includes('(VI_1) BACKUP STATE goes on in version 1.1.0'))
  t.match(await ask(first, 'show sessions'), /process \d+ of version 1\.0\.0: 4 sessions, takes no new ones for /)
  const shown = JSON.parse(await ask(first, 'show sessions --json'))
  t.match(shown, [{ draining: [{ version: '1.0.0', sessions: heldSessions }] }])
  t.ok(shown[0].sessions >= heldSessions, 'the sessions of both programs are counted')
})

const broken: Readonly<Record<string, { readonly patch: Patch; readonly says: RegExp }>> = {
  'a program that throws at once': {
    patch: { file: 'main.js', from: /^/, to: 'throw new Error("broken");' },
    says: /the program on disk ended before it took over \(exit code 1\)/,
  },
  'one that refuses the configuration': {
    patch: {
      file: 'config/load.js',
      from: 'const warnings = checked',
      to: 'return { ok: false, problems: ["balancer.yaml:3:1: hard words"] }; const warnings = checked',
    },
    says: /does not take over:\nbalancer\.yaml:3:1: hard words/,
  },
  'one with a process that cannot be loaded': {
    patch: { file: 'main/vrrp.js', from: /^/, to: 'import "./missing.js";' },
    says: /its process vrrp died \(exit code 1\)/,
  },
  'one with a director that dies': {
    patch: { file: 'main/director.js', from: 'page = await', to: 'process.exit(4); page = await' },
    says: /its process director died \(exit code 4\)/,
  },
  'one that finds no space for the runtime socket': {
    patch: {
      file: 'admin/socket/runtime-socket.js',
      from: 'renameSync(beside, path)',
      to: '(() => { throw new Error("ENOSPC: no space left on device") })()',
    },
    says: /cannot listen at .*admin\.sock: ENOSPC: no space left on device/,
  },
  'one with a proxy that dies when it has clients': {
    patch: { file: 'main/proxy.js', from: 'const stopHeartbeat', to: 'process.exit(5); const stopHeartbeat' },
    says: /its process proxy died \(exit code 5\)/,
  },
  'one with a vrrp process that dies as it goes on': {
    patch: { file: 'main/vrrp.js', from: 'resume = lead.resume', to: 'process.exit(6)' },
    // A host with much to do gives it up before it hears of its death.
    says: /its process vrrp died \(exit code 6\)|the new vrrp process did not go on in time/,
  },
  'one with a vrrp process that hangs as it goes on': {
    patch: { file: 'main/vrrp.js', from: 'resume = lead.resume', to: 'for (;;) {}' },
    says: /the new vrrp process did not go on in time/,
  },
}

await t.test('whatever is wrong with the program on disk, the running one goes on', async (t) => {
  for (const [name, { patch, says }] of Object.entries(broken)) {
    releases.install('6.6.6', [patch])
    await t.test(name, async (t) => {
      const mark = probe.mark()
      const before = await routers()
      const answer = await command(first, 'reexec')
      t.equal(answer.code, 1)
      t.match(answer.stderr, says)
      t.match(answer.stderr, /The running program goes on as before\.\n$/)
      await probe.settled()
      const { lostSessions, reasons } = probe.since(mark)
      // Clients that the other proxy has taken when it dies are lost, as with any proxy that dies.
      if (!name.includes('proxy')) t.same(reasons, {})
      t.equal(lostSessions, 0)
      t.same(await routers(), before)
      t.notOk(messages(first).includes('Version 6.6.6 has taken over from 1.1.0'))
      await waitFor('the runtime socket', async () =>
        /^LISTENER/.test(await ask(first, 'show sessions').catch(() => '')),
      )
    })
  }
})

await t.test('a new program that is killed in the middle leaves the running one as it was', async (t) => {
  await unnoticed(t, async () => {
    const { answer, pid } = await halfway('6.6.7')
    t.equal(await ask(first, 'reexec'), 'error: another program is taking over already\n')
    process.kill(pid, 'SIGKILL')
    t.match(await answer, /ended before it took over \(signal SIGKILL\)/)
  })
})

await t.test('an edit that nobody has applied is none of its business, and a reload waits for its end', async (t) => {
  const text = readFileSync(first.configFile, 'utf8')
  writeFileSync(first.configFile, 'router_id: [')
  releases.install('1.2.0')
  await unnoticed(t, async () => {
    const replaced = ask(first, 'reexec')
    const reloaded = ask(first, 'reload')
    t.match(await replaced, /^Version 1\.2\.0 runs in place of 1\.1\.0\.\n/)
    t.match(await reloaded, /^error: /)
  })
  t.match(await ask(first, 'reload'), /^error: .*balancer\.yaml:1:/)
  writeFileSync(first.configFile, text)
  t.equal(await ask(first, 'reload'), 'Nothing changed.\n')
})

await t.test('sessions of three programs end when their server is down', async (t) => {
  releases.install('1.3.0')
  await unnoticed(t, async () => {
    const held = await waitFor('a session in this one', async () =>
      JSON.parse(await ask(first, 'show sessions --json')),
    )
    t.ok(held[0].sessions >= heldSessions)
    t.match(await ask(first, 'reexec'), /^Version 1\.3\.0 runs/)
  })
  t.equal(await versionOf(first), '1.0.0')
  const { lostSessions } = probe.counters()
  pair.site.databases[0]?.forceFail('to see sessions end')
  await waitFor('the oldest sessions to end', () => probe.counters().lostSessions - lostSessions >= heldSessions)
  await waitFor('nobody to be shown', async () => (await versionOf(first)) === 'none')
  pair.site.databases[0]?.clearForceFail()
  await waitFor('new sessions', () => probe.counters().openSessions === heldSessions)
  await waitFor('the other one to see it', async () => (await second.status()).listeners[0]?.servers[0]?.up)
  const root = first.process().pid
  await waitFor('the earlier programs to end', () => familyOf(root).length === 5)
})

await t.test('sessions of a program before end with their listener, whose port is closed in all of them', async (t) => {
  releases.install('1.4.0')
  await untilHeld()
  t.match(await ask(first, 'reexec'), /^Version 1\.4\.0 runs/)
  t.equal(await versionOf(first), '1.3.0')
  const listening = async (): Promise<number> => {
    const { stdout } = await first.host.run('ss', ['-Hltn', `sport = :${servicePort}`])
    return stdout.split('\n').filter((line) => line !== '').length
  }
  t.equal(await listening(), 1)
  const text = readFileSync(first.configFile, 'utf8')
  await untilDrainedBy(() =>
    edit(first, (document) => {
      document.setIn(['listeners', 0, 'name'], 'other')
      document.setIn(['listeners', 0, 'bind'], `${virtualAddress}:3307`)
    }),
  )
  t.equal(await listening(), 0, 'no process has kept a share in it')
  writeFileSync(first.configFile, text)
  t.match(await ask(first, 'reload'), /^(?!error)/)
  await untilHeld()
})

await t.test('sessions of a program before end by order of an operator', async (t) => {
  releases.install('1.4.5')
  t.match(await ask(first, 'reexec'), /^Version 1\.4\.5 runs/)
  t.equal(await versionOf(first), '1.4.0')
  await untilDrainedBy(async () =>
    t.match(await ask(first, `sessions end ${pair.site.client.address}`), /^\d+ sessions of [\d.]+ ended: \d+ on /),
  )
  await untilHeld()
})

await t.test('sessions of a program before end when the address moves', async (t) => {
  releases.install('1.5.0')
  await untilHeldBy(first)
  t.match(await ask(first, 'reexec'), /^Version 1\.5\.0 runs/)
  t.equal(await versionOf(first), '1.4.5')
  await untilDrainedBy(() => ask(first, `vrrp ${instanceName} handover`))
  await untilHeldBy(second)
  await ask(first, `vrrp ${instanceName} ready`)
  await untilHeldBy(first)
  await untilHeld()
})

await t.test('a stop while another program takes over hands the address over and ends every program', async (t) => {
  releases.install('1.6.0')
  t.match(await ask(first, 'reexec'), /^Version 1\.6\.0 runs in place of 1\.5\.0\.\n\d+ session\(s\) go on/)
  const mark = probe.mark()
  const { answer, family } = await halfway('6.6.8')
  const { code, signal } = await first.process().stop(30_000)
  t.same({ code, signal }, { code: 0, signal: null })
  await answer
  await untilGone(family)
  await untilHeldBy(second)
  await probe.settled()
  const { ECONNRESET: _, ...others } = probe.since(mark).reasons
  t.same(others, {}, 'who was logging in is reset, and all others have found one or the other')
  await restart('2.0.0')
})

await t.test(
  'a running program that is killed while another one takes over takes that along, and the peer is told',
  async () => {
    const { family } = await halfway('6.6.9')
    await first.process().kill()
    await untilHeldBy(second)
    await untilGone(family)
    await restart('2.1.0')
  },
)

await t.test('when the first program is killed its successor hands the address over and ends', async (t) => {
  releases.install('2.2.0')
  t.match(await ask(first, 'reexec'), /^Version 2\.2\.0 runs/)
  const family = familyOf(first.process().pid)
  await first.process().kill()
  await untilHeldBy(second)
  await untilGone(family)
  await restart('2.3.0')
})

await t.test('when the program that took over is killed, all end, for whoever waits to start it anew', async (t) => {
  releases.install('2.4.0')
  t.match(await ask(first, 'reexec'), /^Version 2\.4\.0 runs/)
  process.kill(startedBy(first, '2.4.0') ?? 0, 'SIGKILL')
  t.match(await first.process().exited, { code: 1 })
  await untilHeldBy(second)
})
