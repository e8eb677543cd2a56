// What happens to a balancer that forwards in the kernel while its clients work, and may not be noticed by any of them.

import { readFileSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { parseDocument } from 'yaml'
import { familyOf, identify } from '../lab/proc.ts'
import type { BalancerHost } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type KernelField, unnoticed } from './kernel-field.ts'
import { ofInstance } from './pair.ts'

/** Does what its name says, and returns when the balancer serves as before. */
export type KernelEvent = { readonly name: string; readonly act: () => Promise<unknown> }

const titleOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replace(/\0.*/s, '')
  } catch {
    // Ended since the look at the list.
    return ''
  }
}

/** The process of a balancer with this role that began last, or undefined. */
const processOf = (balancer: BalancerHost, role: string): number | undefined =>
  familyOf(balancer.process().pid)
    .filter((pid) => titleOf(pid) === `balancer: ${role}`)
    .flatMap((pid) => identify(pid) ?? [])
    .toSorted((a, b) => a.startTicks - b.startTicks)
    .at(-1)?.pid

/** A balancer sees all servers up, and its listeners are open where it holds their address. */
export const untilServes = (balancer: BalancerHost): Promise<unknown> =>
  waitFor(`${balancer.host.name} to serve`, async () => {
    const holds = await balancer.holdsAddress()
    const { listeners } = await balancer.status()
    return listeners.every(({ binds, servers }) => {
      const isOpen = binds.length > 0 && binds.every(({ open }) => open)
      return (isOpen || !holds) && servers.every(({ up }) => up)
    })
  })

/** Kills processes of a balancer at once: none sees another one die. Returns when each has a successor. */
const killProcesses = async (balancer: BalancerHost, roles: readonly string[]): Promise<void> => {
  const killed = roles.map((role) => {
    const pid = processOf(balancer, role)
    if (pid === undefined) throw new Error(`${balancer.host.name} has no process ${role}`)
    return { role, pid }
  })
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const { pid } of killed) process.kill(pid, signal)
  for (const { role, pid } of killed) {
    await waitFor(`another process ${role}`, () => {
      const next = processOf(balancer, role)
      if (next === undefined || next === pid) return false
      // Of a vrrp process that dies again before it is back the others are told: it has said something.
      const said = `"process":"vrrp","pid":${next},`
      return (
        role !== 'vrrp' ||
        balancer
          .process()
          .lines()
          .some((line) => line.includes(said))
      )
    })
  }
  await untilServes(balancer)
}

const roles = ['kernel', 'director', 'vrrp']

/** Everything that may not be noticed; `reloads` changes of weights follow each other. */
export const quietEvents = ({ first, ask, releases }: KernelField, reloads: number): readonly KernelEvent[] => {
  const weigh = (weight: number): void => {
    const document = parseDocument(readFileSync(first.configFile, 'utf8'))
    document.setIn(['listeners', 0, 'servers', 0, 'weight'], weight)
    writeFileSync(first.configFile, String(document))
  }
  let releaseCount = 0
  const upgrade = async (): Promise<void> => {
    releaseCount += 1
    const version = `1.${releaseCount}.0`
    releases.install(version)
    const answer = await ask(first, 'reexec')
    if (!answer.startsWith(`Version ${version} runs`)) throw new Error(answer)
    await untilServes(first)
  }
  return [
    ...roles.map((role) => ({ name: `kill -9 of ${role}`, act: () => killProcesses(first, [role]) })),
    { name: 'kill -9 of all children at once', act: () => killProcesses(first, roles) },
    { name: 'an upgrade by reexec', act: upgrade },
    {
      name: 'SIGHUP with another weight',
      act: async () => {
        // In the file: after many reloads the first lines are forgotten.
        const reloadsSeen = () => readFileSync(first.process().logFile, 'utf8').split('"msg":"Reloaded ').length
        const before = reloadsSeen()
        weigh(7)
        first.process().signal('SIGHUP')
        await waitFor('the reload', () => reloadsSeen() > before)
      },
    },
    {
      name: `${reloads} reloads in a row`,
      act: async () => {
        for (let i = 0; i < reloads; i += 1) {
          weigh(1 + (i % 5))
          const answer = await ask(first, 'reload')
          if (!answer.includes('db1 changed')) throw new Error(answer)
        }
      },
    },
  ]
}

/** So long a vrrp process may be away: on a busy machine three processes take ten seconds to start together. */
const patientInterval = '10s'

/** Each event is one test, as often as `cycles` says: no session is lost, no connection fails, the address stays. */
export const testQuietEvents = async (
  t: Test,
  field: KernelField,
  { events, cycles }: { readonly events: readonly KernelEvent[]; readonly cycles: number },
): Promise<void> => {
  const { first, second, edit, untilHeldBy, messages } = field
  const advertiseEach = (interval: string) =>
    t.test(`routers that advertise each ${interval}`, async () => {
      for (const balancer of [first, second]) {
        await edit(balancer, (document) => document.setIn(ofInstance('advertisement_interval'), interval))
      }
      await untilHeldBy(first)
    })
  const elections = () => messages(second).filter((msg) => msg.includes('Entering MASTER STATE')).length
  await advertiseEach(patientInterval)
  for (const { name, act } of Array.from({ length: cycles }, () => events).flat()) {
    await t.test(`${name}: nobody notices`, async (t) => {
      const before = elections()
      t.same(await field.noticed(t, name, act), unnoticed)
      t.equal(elections(), before, 'the other router has not taken over')
    })
  }
  await advertiseEach('1s')
}
