// What a master tracks fails, and where the virtual address is afterwards. One lab for all, in order.

import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startProbe } from '../lab/gap-probe.ts'
import { createLab } from '../lab/lab.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { agentPort, instanceName, servicePort, statusLogin, statusPort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { buildPair, ofInstance } from './pair.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-tracking' })
t.teardown(() => lab.destroy())
const pair = await buildPair(lab)
const { first, second, untilHeldBy, untilState, show, edit, messages } = pair
const inLab = (name: string): string => join(lab.directory, name)
/** The log may tell it, and the director show it, a moment after the address has moved. */
const untilTold = (text: string): Promise<boolean> =>
  waitFor(`the log to say "${text}"`, () => messages(first).some((msg) => msg.includes(text)))
const untilShown = (balancer: typeof first, state: string, priority: number) =>
  waitFor(`${balancer.host.name} to be shown as ${state} with priority ${priority}`, async () => {
    const shown = await show(balancer)
    return shown.state === state && shown.priority === priority ? shown : undefined
  })

await t.test('a tracked file with a weight moves the address, and back', async (t) => {
  const path = inLab('load')
  writeFileSync(path, '0\n')
  await edit(first, (document) => {
    document.setIn(['vrrp', 'track_files'], [{ name: 'load', path, weight: 1 }])
    document.setIn(ofInstance('track'), { files: ['load'] })
  })
  writeFileSync(path, '-10\n')
  await untilHeldBy(second)
  const shown = await untilShown(first, 'backup', 91)
  t.match(
    shown.priority_parts.map(({ value }) => value).sort((a, b) => a - b),
    [-10, 101],
  )
  t.ok(await untilTold('Changing effective priority from 101 to 91'))
  writeFileSync(path, '0\n')
  await untilHeldBy(first)
  t.ok(await untilTold('Changing effective priority from 91 to 101'))
})

await t.test('a tracked script without a weight is FAULT while it fails, and show tells which one does', async (t) => {
  const bad = inLab('bad')
  const worse = inLab('worse')
  const script = (name: string, file: string) => ({
    name,
    command: ['/usr/bin/test', '!', '-e', file],
    interval: '200ms',
  })
  await edit(first, (document) => {
    document.setIn(['vrrp', 'scripts'], [script('chk', bad), script('other', worse)])
    document.setIn(ofInstance('track'), { scripts: ['chk', 'other'] })
  })
  writeFileSync(bad, '')
  await untilHeldBy(second)
  await untilState(first, 'fault')
  t.ok(await untilTold('VRRP_Script(chk) failed (exited with status 1)'))
  const untilBecause = (reason: string) =>
    waitFor(`"${reason}" to be the reason`, async () => (await show(first)).reason === reason)
  await untilBecause('script chk: exited with status 1')
  writeFileSync(worse, '')
  await untilBecause('script chk: exited with status 1; script other: exited with status 1')
  rmSync(bad)
  await untilBecause('script other: exited with status 1')
  t.ok(await untilTold(`(${instanceName}) stays in FAULT STATE: script other: exited with status 1`))
  rmSync(worse)
  await untilHeldBy(first)
  t.ok(await untilTold('VRRP_Script(chk) succeeded'))
})

await t.test('a host that does not know yet how it stands takes the address from nobody', async (t) => {
  const file = inLab('slowly')
  writeFileSync(file, '')
  await edit(first, (document) => {
    const command = ['/bin/sh', '-c', `sleep 1.5; ! test -e ${file}`]
    document.setIn(['vrrp', 'scripts'], [{ name: 'slow', command, interval: '2s' }])
    document.setIn(ofInstance('track'), { scripts: ['slow'] })
  })
  await untilState(first, 'fault')
  await untilHeldBy(second)
  const transitions = async () => (await second.status()).vrrp[0]?.transitions
  const before = await transitions()
  const failures = (): number => messages(first).filter((msg) => msg.startsWith('VRRP_Script(slow) failed')).length
  const failed = failures()
  process.kill(pair.childOf(first, 'vrrp'), 'SIGKILL')
  await waitFor('the script to tell it anew', () => failures() > failed)
  await untilState(first, 'fault')
  await first.process().stop()
  await first.start()
  await untilState(first, 'fault')
  t.equal(await transitions(), before, 'the other one stayed master all the time')
  rmSync(file)
  await untilHeldBy(first)
  await edit(first, (document) => document.deleteIn(ofInstance('track')))
})

await t.test('notify scripts run in order, as their user, and one that hangs delays no election', async (t) => {
  const told = inLab('told')
  const gate = inLab('gate')
  const tell =
    'echo "$(id -un) $*" "$BALANCER_PREVIOUS_STATE $BALANCER_STATE $BALANCER_PRIORITY ($BALANCER_REASON)" >>"$0"'
  const script = (...words: readonly string[]): readonly string[] => ['/bin/sh', '-c', tell, told, ...words]
  const hangingScript = ['/bin/sh', '-c', `while ! test -e ${gate}; do sleep 0.1; done; ${tell}`, told, 'own']
  writeFileSync(told, '')
  chmodSync(told, 0o666)
  await edit(first, (document) => {
    document.setIn(ofInstance('notify'), {
      backup: hangingScript,
      master: script('own'),
      fault: script('own'),
      stop: script('own'),
      any: script(),
      timeout: '1m',
      user: 'nobody',
    })
  })
  const order = async (word: string): Promise<void> => {
    t.equal((await pair.command(first, 'vrrp', instanceName, word)).code, 0)
  }
  await order('handover')
  await untilHeldBy(second)
  await order('ready')
  await untilHeldBy(first)
  await order('maint')
  await untilHeldBy(second)
  const lines = (): readonly string[] => readFileSync(told, 'utf8').split('\n').slice(0, -1)
  t.same(lines(), [], 'the script of the first state still hangs')
  writeFileSync(gate, '')
  await waitFor('every script to have run', () => lines().length === 6)
  await order('ready')
  await untilHeldBy(first)
  await waitFor('the scripts of the return to have run', () => lines().length === 10)
  await edit(first, (document) => document.setIn(ofInstance('virtual_router_id'), 61))
  await waitFor('the scripts of the end to have run', () => lines().length >= 12)
  const story = [
    ['MASTER', 'BACKUP', '198.18.0.3 took over (an operator ordered it)'],
    ['BACKUP', 'MASTER', 'the master has a lower priority'],
    ['MASTER', 'FAULT', 'maintenance ordered by an operator'],
    ['FAULT', 'BACKUP', 'what kept it from taking part is over'],
    ['BACKUP', 'MASTER', 'the master has a lower priority'],
    ['MASTER', 'STOP', 'shutdown requested'],
  ]
  const expected = story.flatMap(([before, state, reason]) =>
    ['own', `INSTANCE ${instanceName} ${state} 101`].map(
      (words) => `nobody ${words} ${before} ${state} 101 (${reason})`,
    ),
  )
  t.same(lines().slice(0, expected.length), expected)
  await edit(first, (document) => {
    document.setIn(ofInstance('virtual_router_id'), 51)
    document.deleteIn(ofInstance('notify'))
  })
  await untilHeldBy(first)
})

const isRunning = (id: number | undefined): boolean =>
  existsSync(`/proc/${id}`) && !/\) Z /.test(readFileSync(`/proc/${id}/stat`, 'utf8'))

await t.test('the vrrp process goes before ordinary work, and no script outlives it', async (t) => {
  const running = inLab('running')
  await edit(first, (document) => {
    const command = ['/bin/sh', '-c', `echo $$ >>${running}; exec sleep 1000`]
    document.setIn(['vrrp', 'scripts'], [{ name: 'endless', command, timeout: '1h', weight: -1 }])
    document.setIn(ofInstance('track'), { scripts: ['endless'] })
  })
  const runs = (): readonly number[] => readFileSync(running, 'utf8').trim().split('\n').map(Number)
  await waitFor('it to run', () => runs().length === 1)
  const vrrp = pair.childOf(first, 'vrrp')
  const fields = readFileSync(`/proc/${vrrp}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  const [niceAt, policyAt, roundRobin] = [16, 38, 2]
  t.ok(Number(fields[policyAt]) === roundRobin || Number(fields[niceAt]) === -20)
  process.kill(vrrp, 'SIGKILL')
  await waitFor('the next one to run', () => runs().length === 2)
  t.notOk(isRunning(runs()[0]))
  await edit(first, (document) => document.deleteIn(ofInstance('track')))
  await waitFor('a reload to end it', () => !isRunning(runs()[1]))
  await untilHeldBy(first)
})

const dropChecks = (ports: string): readonly string[] => [
  'add table inet blind',
  'add chain inet blind out { type filter hook output priority 0; }',
  `add rule inet blind out tcp dport { ${ports} } drop`,
]

await t.test('the last server is taken out by an order: no outage, the address and its sessions stay', async (t) => {
  const [database] = pair.site.databases
  const target = { address: virtualAddress, port: servicePort }
  const probe = await startProbe(pair.site.client, { ...appUser, target, interval: 1000, sessions: 2 })
  await waitFor('two sessions', () => probe.counters().openSessions === 2)
  const statusOf = async (balancer: typeof first) => (await balancer.status()).listeners[0]?.servers[0]?.status
  const untilBoth = (status: string) =>
    waitFor(
      `db1 to be ${status}`,
      async () => (await statusOf(first)) === status && (await statusOf(second)) === status,
    )
  const transitions = async () => (await first.status()).vrrp[0]?.transitions
  const before = await transitions()
  const stays = async (what: string): Promise<void> => {
    const sent = (await first.status()).vrrp[0]?.sent ?? 0
    await waitFor('more advertisements', async () => ((await first.status()).vrrp[0]?.sent ?? 0) > sent + 5)
    t.match(await show(first), { state: 'master', priority: 101, priority_parts: [{ of: 'configured' }] }, what)
    t.equal(await transitions(), before, what)
  }
  for (const [order, status, back] of [
    ['drain', 'DRAIN', 'ready'],
    ['weight 0', 'UP', 'weight initial'],
    ['maint', 'MAINT', 'ready'],
  ] as const) {
    const words = (text: string) => ['server', 'mysql/db1', ...text.split(' ')]
    t.equal((await pair.command(first, ...words(order))).code, 0)
    await waitFor(`db1 to be ${status}`, async () => (await statusOf(first)) === status)
    await stays(order)
    if (order !== 'maint') t.equal(probe.counters().lostSessions, 0, `${order} keeps the sessions`)
    t.equal((await pair.command(first, ...words(back))).code, 0)
    await untilBoth('UP')
  }
  database?.forceFail('upgrade')
  await untilBoth('DOWN')
  await stays('force-fail')
  database?.clearForceFail()
  await untilBoth('UP')
  await probe.stop()
})

const queue = ['listeners', 0, 'timeouts', 'queue']

await t.test('a restart of the only server moves no address, and clients wait for it', async (t) => {
  const [database] = pair.site.databases
  const target = { address: virtualAddress, port: servicePort }
  await edit(first, (document) => document.setIn(queue, '60s'))
  const probe = await startProbe(pair.site.client, { ...appUser, target, interval: 100, timeout: 60_000 })
  const before = (await second.status()).vrrp[0]?.transitions
  const from = probe.mark()
  await database?.server.stop()
  await database?.server.start({ bootstrap: true })
  await probe.settled()
  const seen = probe.since(from)
  t.equal((await second.status()).vrrp[0]?.transitions, before)
  t.ok(seen.failed <= 2, JSON.stringify(seen))
  await probe.stop()
  for (const balancer of [first, second]) await edit(balancer, (document) => document.setIn(queue, '100ms'))
})

await t.test(
  'no server up is no fault: a peer that sees one takes over, and where none does the address stays',
  async (t) => {
    const blind = async (host: typeof first.host): Promise<void> => {
      for (const line of dropChecks(`${agentPort}`)) {
        const { code, stderr } = await host.run('nft', [line])
        if (code !== 0) throw new Error(stderr)
      }
    }
    const faults = (): number =>
      [first, second].flatMap(messages).filter((msg) => msg.includes('Entering FAULT STATE')).length
    const before = faults()
    const parts = (configured: number) => [
      { of: 'configured', value: configured },
      { of: 'no server up', value: -50 },
    ]
    await blind(first.host)
    await untilHeldBy(second)
    t.match(await untilShown(first, 'backup', 51), { priority_parts: parts(101) })
    t.match(await untilShown(second, 'master', 100), { priority_parts: [{ of: 'configured' }] })

    await blind(second.host)
    await waitFor('the other one to see none either', async () => (await show(second)).priority === 50)
    t.match(await show(second), { priority_parts: parts(100) })
    await untilHeldBy(first)
    t.ok(await untilShown(first, 'master', 51), 'the higher priority of two that see none')
    const login = `${statusLogin.user}:${statusLogin.password}`
    const url = `http://${virtualAddress}:${statusPort}/status/json`
    const page = await pair.site.client.run('curl', ['-sS', '-m', '10', '-u', login, url])
    t.match(JSON.parse(page.stdout), { router_id: 'lb1', listeners: [{ servers_up: 0 }] }, 'the page answers there')
    t.equal(faults(), before, 'nobody was in fault')

    for (const { host } of [first, second]) await host.run('nft', ['delete table inet blind'])
    await waitFor('both to see the server again', async () => (await show(first)).priority === 101)
    await untilHeldBy(first)

    // Who holds the address believes in an outage when the other one has surely seen it: later, where hosts have much to do.
    for (const balancer of [first, second]) await edit(balancer, (document) => document.setIn(queue, '8s'))
    await untilHeldBy(first)
    // The first has just taken over from the other one, and knows its priority of before the outage.
    const moves = async () => (await second.status()).vrrp[0]?.transitions
    const moved = await moves()
    await Promise.all([blind(first.host), blind(second.host)])
    await waitFor('both to see none', async () => (await show(first)).priority + (await show(second)).priority === 101)
    const { sent = 0 } = (await first.status()).vrrp[0] ?? {}
    await waitFor('it to go on', async () => ((await first.status()).vrrp[0]?.sent ?? 0) > sent + 10)
    t.equal(await moves(), moved, 'what both lose moves nothing')
    for (const { host } of [first, second]) await host.run('nft', ['delete table inet blind'])
    await waitFor(
      'both to see it again',
      async () => (await show(first)).priority + (await show(second)).priority === 201,
    )
  },
)
