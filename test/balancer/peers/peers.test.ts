import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { z } from 'zod'
import { peersFact } from '../../../balancer/pool/core/peers-fact.ts'
import { createLab } from '../../lab/lab.ts'
import type { LabProcess } from '../../lab/lab-process.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.setTimeout(600_000)

const lab = await createLab({ name: 'peers' })
t.teardown(() => lab.destroy())
const key = randomBytes(32).toString('base64')
const addresses = { lb1: '198.18.0.1', lb2: '198.18.0.2', lb3: '198.18.0.3' }
type Name = keyof typeof addresses
for (const [name, address] of Object.entries(addresses)) {
  const host = await lab.addHost(name, `${address}/24`)
  await host.run('ip', ['address', 'add', `2001:db8::${address.at(-1)}/64`, 'dev', 'eth0', 'nodad'])
}
await lab.addHost('stranger', '198.18.0.9/24')
const v4 = (name: Name): string => `${addresses[name]}:9224`
const v6 = (name: Name): string => `[2001:db8::${addresses[name].at(-1)}]:9224`

const report = z.object({
  report: peersFact,
  taken: z.number(),
  servers: z.array(z.string()),
  longestStall: z.number(),
  memory: z.number(),
})
type Report = z.output<typeof report>

type Balancer = {
  readonly process: LabProcess
  readonly order: (order: object) => void
  readonly look: () => Promise<Report>
  /** Waits until its report is so. */
  readonly until: (what: string, is: (found: Report) => boolean) => Promise<Report>
  readonly peer: (name: Name, found: Report) => Report['report']['peers'][number] | undefined
}

let runs = 0
const start = (
  name: Name,
  to: readonly Name[],
  given: { readonly key?: string; readonly count?: number; readonly at?: (name: Name) => string } = {},
): Balancer => {
  const { at = v4 } = given
  const entry = fileURLToPath(new URL('./peer-process.js', import.meta.url))
  const config = { key_file: '/none', listen: at(name), to: to.map(at), key: given.key ?? key }
  const setup = { routerId: name, config, targets: ['db1'], count: given.count ?? 0 }
  runs += 1
  const process_ = lab
    .host(name)
    .spawn(`peers-${runs}`, process.execPath, [entry, JSON.stringify(setup)], { ipc: true })
  let answered = 0
  const reports = (): readonly string[] => process_.lines().filter((line) => line.startsWith('{"report"'))
  const look = async (): Promise<Report> => {
    process_.send({ do: 'report' })
    answered += 1
    const line = await waitFor(`report ${answered} of ${name}`, () => reports()[answered - 1], { interval: 10 })
    return report.parse(JSON.parse(line))
  }
  return {
    process: process_,
    order: (order) => process_.send(order),
    look,
    until: async (what, is) => {
      let found: Report | undefined
      await waitFor(
        `${name}: ${what}`,
        async () => {
          found = await look()
          return is(found)
        },
        { interval: 100 },
      )
      return found ?? look()
    },
    peer: (other, found) => found.report.peers.find(({ address }) => address === at(other)),
  }
}
const saying = ({ process: { lines } }: Balancer, text: RegExp): readonly string[] =>
  lines().filter((line) => text.test(line))

const ill = async (kind: string, from: string = addresses.lb3, host = 'lb3'): Promise<LabProcess> => {
  const entry = fileURLToPath(new URL('./ill-process.js', import.meta.url))
  runs += 1
  return lab.host(host).spawn(`ill-${runs}`, process.execPath, [entry, addresses.lb1, from, key, kind])
}

const [lb1, lb2] = [start('lb1', ['lb2', 'lb3']), start('lb2', ['lb1', 'lb2', 'lb3'], { count: 100 })]
const isConnected =
  (of: Balancer, name: Name, connected = true) =>
  (found: Report): boolean =>
    of.peer(name, found)?.connected === connected

t.test('one that starts hears what the others have, and does not wait long for one that is not there', async (t) => {
  await lb1.process.waitForOutput(/"synced":\["198.18.0.3:9224"\]/)
  const found = await lb1.until('has what lb2 has', ({ taken }) => taken === 100)
  t.match(lb1.peer('lb2', found), { name: 'lb2', connected: true, told: 0, taken: 100, warnings: [] })
  t.match(lb1.peer('lb3', found), { name: null, connected: false, why: /refuses the connection/ })
  const { stdout } = await lab.host('lb1').run('ss', ['-Htn', 'state', 'established', 'src', addresses.lb1])
  t.equal(stdout.trim().split('\n').length, 1, 'one connection between two')
})

t.test('a table that changes is told at once, and what both use otherwise is a warning', async (t) => {
  lb2.order({ do: 'targets', targets: ['db1', 'db2'] })
  await lb1.process.waitForOutput(/"tables":\[\["db1","db2"\]\]/)
  t.match(lb1.peer('lb2', await lb1.look())?.warnings, [/new sessions go to db1 1 here, to db1 1, db2 1 on lb2/])
})

t.test('a hundred thousand exceptions are told while the loop turns, and taken back', async (t) => {
  const begun = performance.now()
  lb1.order({ do: 'set', count: 100_000, server: 'db2' })
  const found = await lb2.until('has all', ({ taken }) => taken === 100_000)
  const own = await lb1.look()
  t.comment(
    `100,000 in ${Math.round(performance.now() - begun)} ms; longest stall ${Math.round(own.longestStall)} and ${Math.round(found.longestStall)} ms; ${Math.round(own.memory / 1e6)} and ${Math.round(found.memory / 1e6)} MB`,
  )
  t.equal(lb1.peer('lb2', own)?.told, 100_000)
  lb1.order({ do: 'set', count: 100_000, server: 'db3' })
  await lb2.until('has all anew', ({ servers }) => servers.length === 1 && servers[0] === 'db3')
  lb1.order({ do: 'set', count: 100, server: 'db3' })
  await lb2.until('has few', ({ taken }) => taken === 100)
})

t.test('a peer that hangs or is cut off is noticed, comes back by itself, and is told all anew', async (t) => {
  for (const [what, lose, regain] of [
    ['hangs', () => lb2.process.stall(), () => lb2.process.resume()],
    ['is cut off', () => lab.host('lb2').cutLink(), () => lab.host('lb2').restoreLink()],
  ] as const) {
    const begun = performance.now()
    await lose()
    const found = await lb1.until(`lb2 ${what}`, isConnected(lb1, 'lb2', false))
    t.comment(`${what}: noticed after ${Math.round(performance.now() - begun)} ms`)
    t.match(
      lb1.peer('lb2', found)?.why,
      /silent for 2 s|no answer|host is off|it takes the connection and says nothing/,
    )
    const says = /it takes the connection and says nothing/
    if (what === 'hangs') await lb1.until('says so', (seen) => says.test(lb1.peer('lb2', seen)?.why ?? ''))
    await regain()
    for (const [one, other] of [
      [lb1, 'lb2'],
      [lb2, 'lb1'],
    ] as const) {
      await one.until('has heard all anew', (seen) => {
        const peer = one.peer(other, seen)
        return peer?.connected === true && peer.taken === 100
      })
    }
  }
})

t.test('another key is told once and clearly on both sides; the right one connects without a restart', async (t) => {
  const lb3 = start('lb3', ['lb1', 'lb2'], { key: randomBytes(32).toString('base64') })
  const differ = /is not connected: the keys differ: key_file must have the same content/
  for (const one of [lb1, lb2, lb3]) await one.until('hears of it', () => saying(one, differ).length > 0)
  await lb1.until('refused some', ({ report: { refused } }) => (refused['other-key'] ?? 0) > 3)
  for (const one of [lb1, lb2]) t.equal(saying(one, differ).length, 1)
  t.ok(isConnected(lb1, 'lb2')(await lb1.look()), 'the others stay connected')
  lb3.order({ do: 'reconfigure', key })
  await lb1.until('lb3 connected', isConnected(lb1, 'lb3'))
  await lb3.until('has what both have', ({ taken }) => taken === 100)
  for (const {
    process: { lines },
  } of [lb1, lb2, lb3])
    t.notOk(lines().some((line) => line.includes(key)))
  const gone = await lb3.process.stop()
  t.equal(gone.code, 0)
  await lb1.until('lb3 said goodbye', () => saying(lb1, /lb3.*is not connected: it stops/).length > 0)
})

t.test('two that have one address tell it on both sides when that lasts, and when it is over', async (t) => {
  const both = [lb1, lb2].map((balancer, i) => ({ balancer, other: i === 0 ? ('lb2' as const) : ('lb1' as const) }))
  const warningsOf = async ({ balancer, other }: (typeof both)[number]): Promise<readonly string[]> =>
    balancer.peer(other, await balancer.look())?.warnings.filter((text) => text.startsWith('both are master')) ?? []
  for (const { balancer } of both) balancer.order({ do: 'holds', addresses: ['198.18.0.100'] })
  for (const one of both) {
    await waitFor(`a warning about ${one.other}`, async () => (await warningsOf(one)).length > 0)
    const told =
      /Peer lb\d .*: for 3 s now, both are master: 198\.18\.0\.100 is here and on lb\d, and one does not hear/
    await one.balancer.process.waitForOutput(told)
    t.equal(saying(one.balancer, told).length, 1)
  }
  lb1.order({ do: 'holds', addresses: [] })
  for (const one of both) {
    await waitFor(`no warning about ${one.other}`, async () => (await warningsOf(one)).length === 0)
  }
})

t.test('slots that stay different are told in the log, once', async (t) => {
  const differs = /Peer lb2 .*: for 10 s now, listener mysql: new sessions go to/
  await lb1.process.waitForOutput(differs)
  t.equal(saying(lb1, differs).length, 1)
})

t.test('who is no peer, or has not shown the key, costs nothing', async (t) => {
  const stranger = await ill('stranger', '198.18.0.9', 'stranger')
  await stranger.waitForOutput(/closed/)
  const garbage = await ill('garbage')
  await garbage.waitForOutput(/closed/)
  const silent = await ill('stranger')
  await silent.waitForOutput(/closed/)
  const { report: found } = await lb1.until(
    'all counted',
    ({ report: { refused } }) => (refused['no-handshake'] ?? 0) >= 2,
  )
  t.ok((found.refused['not-a-peer'] ?? 0) >= 1)
  await lb1.process.waitForOutput(
    /198\.18\.0\.9 to peers\.listen was not taken: peers\.to does not have it \(not-a-peer\)/,
  )

  t.comment('one of the address of a peer that is connected, with another key or with what it heard on the wire')
  const before = found.refused['other-key'] ?? 0
  for (const kind of ['wrong-key', 'replay']) {
    const other = await ill(kind, addresses.lb2, 'lb2')
    await other.waitForOutput(/closed/)
    await other.stop()
  }
  await lb1.until('both counted', ({ report: { refused } }) => (refused['other-key'] ?? 0) >= before + 2)
  await lb1.process.waitForOutput(/198\.18\.0\.2 to peers\.listen was not taken: .* key of key_file \(other-key\)/)
  t.same(saying(lb1, /Peer lb2 .*is not connected: the keys differ/), [])
  t.ok(isConnected(lb1, 'lb2')(await lb1.look()))
})

t.test('nonsense of one who has the key is counted by reason and changes nothing', async (t) => {
  const nonsense = await ill('nonsense')
  const found = await lb1.until('counted', (seen) => Object.keys(lb1.peer('lb3', seen)?.malformed ?? {}).length >= 3)
  t.match(lb1.peer('lb3', found), {
    connected: true,
    name: 'ill',
    malformed: { 'not-json': 2, 'unknown-type': 1, 'wrong-shape': 1 },
  })
  await nonsense.stop()
  const largest = await ill('largest')
  await lb1.until('lines of the greatest length', (seen) => (lb1.peer('lb3', seen)?.malformed['wrong-shape'] ?? 0) >= 3)
  t.ok(isConnected(lb1, 'lb3')(await lb1.look()))
  await largest.stop()
  const half = await ill('half')
  await half.waitForOutput(/closed/)
  await lb1.until('silent', () => saying(lb1, /ill .*is not connected: silent for 2 s/).length > 0)
  const endless = await ill('endless')
  await endless.exited
  const after = await lb1.until('too long', (seen) => lb1.peer('lb3', seen)?.malformed['too-long'] === 1)
  t.match(lb1.peer('lb3', after)?.why, /a line that is too long/)
  const silent = await ill('silent')
  await silent.exited
  await lb1.until('said who it is not', () => saying(lb1, /it does not say who it is/).length > 0)
  const newer = await ill('other-version')
  await newer.waitForOutput(/closed/)
  await lb1.process.waitForOutput(
    /is not connected: it runs another version of the balancer, which speaks otherwise; upgrade both/,
  )
  t.equal(lb1.peer('lb3', await lb1.look())?.malformed['other-protocol'], 1)
  await newer.stop()
})

t.test('one that takes nothing, or pours without end, takes nothing from the others', async (t) => {
  lb1.order({ do: 'set', count: 100_000, server: 'db4' })
  const slow = await ill('slow')
  const found = await lb1.until('lb2 has all', () => saying(lb1, /it takes nothing that it is sent/).length > 0)
  await slow.stop()
  t.ok(found.memory < 600e6, `${found.memory}`)
  await lb2.until('has all', ({ servers }) => servers.length === 1 && servers[0] === 'db4')

  lb1.order({ do: 'set', count: 10, server: 'db5' })
  const flood = await ill('flood')
  const poured = await lb1.until('much taken', (seen) => (lb1.peer('lb3', seen)?.taken ?? 0) > 20_000)
  t.ok(poured.memory < 600e6, `${poured.memory}`)
  await lb2.until('told meanwhile', ({ servers, taken }) => taken === 10 && servers[0] === 'db5')
  const later = await lb1.look()
  t.ok(isConnected(lb1, 'lb2')(later), 'and the others are heard')
  t.comment(`longest stall under a flood ${Math.round(later.longestStall)} ms`)
  await flood.kill()
})

t.test('over IPv6 it is the same', async (t) => {
  for (const one of [lb1, lb2]) await one.process.stop()
  const [one, two] = [start('lb1', ['lb2'], { at: v6 }), start('lb2', ['lb1'], { at: v6, count: 7 })]
  const found = await one.until('has what the other has', ({ taken }) => taken === 7)
  t.match(one.peer('lb2', found), { address: '[2001:db8::2]:9224', name: 'lb2', connected: true })
  await two.process.stop()
  await one.process.stop()
})
