// Servers that die under a balancer that forwards in the kernel or directly: who may notice, and how soon they do.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { startProbe } from '../lab/gap-probe.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'
import { createRandom } from '../sim/random.ts'
import { untilServes } from './kernel-events.ts'
import { type KernelField, target } from './kernel-field.ts'
import { startWaiting } from './waiting.ts'
import { waitingKinds } from './waiting-messages.ts'

/** What tests of servers need of a field. */
export type ServersField = Pick<KernelField, 'first' | 'second' | 'site' | 'servers' | 'endLoad'>

/** When a balancer said of a server that it is down, in milliseconds since 1970, after `from`; undefined before it has. */
const downAt = ({ first }: Pick<KernelField, 'first'>, server: string, from: number): number | undefined =>
  first
    .process()
    .lines()
    .filter((line) => line.includes(`Server mysql/${server} is DOWN`))
    .map((line) => Date.parse(JSON.parse(line).time))
    .find((at) => at >= from)

const rapidInterval = 10
const resets = ['ECONNRESET', 'closed-by-server']
const workTime = 1000

/** A server process that dies costs the clients that it has, and those that log in to it, and no newcomer. */
export const testServerKilled = async (t: Test, field: ServersField, name: string): Promise<void> => {
  await t.test(`kill -9 of the server ${name}: no new connection fails`, async (t) => {
    await field.endLoad()
    const server = field.servers.find((one) => one.name === name)
    if (server === undefined) throw new Error(`there is no server ${name}`)
    const newcomers = await startProbe(field.site.client, { target, ...appUser, interval: rapidInterval })
    await sleep(workTime)
    const begun = Date.now()
    const before = newcomers.mark()
    await server.kill9()
    const after = newcomers.mark()
    const down = await waitFor('the server to be down', () => downAt(field, name, begun))
    await sleep(workTime)
    await newcomers.settled()
    const end = newcomers.mark()
    const all = newcomers.since(before, end)
    const { failedNewcomers, attempts, slow, longestGapMs } = newcomers.since(after, end)
    t.comment(
      `down after ${down - begun} ms; ${attempts} new connections since the kill, ${failedNewcomers} failed, ${slow} slow, ` +
        `longest gap ${longestGapMs} ms; ${all.failed} were logging in to it: ${JSON.stringify(all.reasons)}`,
    )
    t.equal(failedNewcomers, 0)
    t.same(
      Object.keys(all.reasons).filter((reason) => !resets.includes(reason)),
      [],
      'who had reached it is reset',
    )
    await newcomers.stop()
    await server.start()
    await untilServes(field.first)
    await untilServes(field.second)
  })
}

const fewest = 6
const most = 40

/** Random sessions in random states, and a server without power: its sessions end, by a reset and soon, and no others. */
export const testPowerCuts = async (
  t: Test,
  field: ServersField,
  { rounds, seed }: { readonly rounds: number; readonly seed: number },
): Promise<void> => {
  const random = createRandom(seed)
  const [one, ...others] = field.site.databases
  if (one === undefined) throw new Error('there is no database host')
  const databases = [one, ...others] as const
  for (let round = 1; round <= rounds; round += 1) {
    const kinds = Array.from({ length: random.integer(fewest, most) }, () => random.pick(waitingKinds))
    const victim = random.pick(databases)
    const { name } = victim.host
    await t.test(`${kinds.length} sessions, and ${name} loses its power (seed ${seed})`, async (t) => {
      await field.endLoad()
      const sessions = await startWaiting(field.site.client, { ...target, ...appUser }, kinds)
      const theirs = sessions.now().filter(({ server }) => server === name).length
      const begun = Date.now()
      await victim.host.cutLink()
      const down = await waitFor('the server to be down', () => downAt(field, name, begun))
      const ended = await waitFor('all its sessions to end', () => {
        const its = sessions.now().filter(({ server }) => server === name)
        return its.every(({ end }) => end !== null) ? its : undefined
      })
      const delays = ended.map(({ end }) => (end?.at ?? 0) - down)
      t.comment(
        `down after ${down - begun} ms; ${theirs} of ${kinds.length} sessions on ${name}, the last one ended ` +
          `${Math.max(...delays)} ms after that, the first ${Math.min(...delays)} ms`,
      )
      t.same([...new Set(ended.map(({ end }) => end?.reason))], theirs === 0 ? [] : ['ECONNRESET'])
      await sleep(workTime)
      t.same(
        sessions.now().filter(({ server, end }) => server !== name && end !== null),
        [],
        'those of the other server go on',
      )
      await sessions.stop()
      await victim.host.restoreLink()
      await untilServes(field.first)
      await untilServes(field.second)
    })
  }
}
