// `balancer release`: what a dead balancer left on this host is taken away. Also what systemd runs after every stop.

import { setTimeout as wait } from 'node:timers/promises'
import { loadConfig } from '../config/load.ts'
import { FailedStart } from '../core/failed-start.ts'
import { releaseDirect } from '../datapath/direct/release.ts'
import { clearSessions } from '../datapath/kernel/clear-sessions.ts'
import { kernelOwnTable } from '../datapath/kernel/core/kernel-table.ts'
import { type KernelReleased, releaseKernel } from '../datapath/kernel/release.ts'
import { findTable } from '../datapath/rules/own-table.ts'
import { balancerProcesses } from '../os/balancer-processes.ts'
import { releaseRemains } from '../vrrp/release.ts'
import { answersAt, socketOf } from './runtime.ts'

/** A vrrp process that lost its supervisor hands its addresses over, and ends by itself. */
const longestEnd = 12_000
/** A director that died is back within this time. */
const longestRestart = 2000
const pause = 50

/** Releases what the balancer with the configuration `file` left. 0, or 1 where it runs, or something could not be removed. */
export const release = async (file: string): Promise<number> => {
  const isAfterStop = process.env['SERVICE_RESULT'] !== undefined
  await until(() => orphans().length === 0, longestEnd)
  const socket = socketOf(file)
  const others = balancerProcesses().some(({ role }) => role === 'supervisor')
  if (others && (await until(() => answersAt(socket), longestRestart))) {
    return refuse(`a balancer runs with ${file} and answers at ${socket}; stop it first: systemctl stop balancer`)
  }
  const loaded = loadConfig(file, null)
  if (others && !loaded.ok) {
    return refuse(
      `another balancer runs on this host, and ${file} does not tell what is whose; correct it, or stop the other one`,
    )
  }
  try {
    const remains = await releaseRemains({ vrrp: loaded.ok ? loaded.config.vrrp : null, everything: !others })
    // After a crash the rules go on, and the next start adopts them.
    const rules = isAfterStop && process.env['SERVICE_RESULT'] !== 'success' ? [] : await releaseRules()
    const [removed, failed] = [
      [...remains.removed, ...rules.flatMap((one) => one.removed)],
      [...remains.failed, ...rules.flatMap((one) => one.failed)],
    ]
    for (const text of removed) process.stdout.write(`released: ${text}\n`)
    for (const text of failed) process.stderr.write(`balancer: ${text}\n`)
    // After a clean stop there is nothing, and nothing to say.
    if (removed.length + failed.length === 0 && !isAfterStop) {
      process.stdout.write('nothing to release: no address, route, rule or session of a balancer is on this host\n')
    }
    return failed.length === 0 ? 0 : 1
  } catch (error) {
    if (!(error instanceof FailedStart)) throw error
    return refuse(error.message)
  }
}

/** Rules of the datapaths made of rules, and sessions and settings of the kernel datapath, unless a process keeps them. */
const releaseRules = async (): Promise<readonly Pick<KernelReleased, 'removed' | 'failed'>[]> => {
  if (balancerProcesses().some(({ role }) => role === 'kernel')) return []
  const table = await findTable(kernelOwnTable)
  const isOurs = table.ok && table.value !== null
  const kernel = await releaseKernel({ tables: isOurs ? [kernelOwnTable.name] : [], endSessions: clearSessions })
  return [kernel, await releaseDirect()]
}

const refuse = (text: string): number => {
  process.stderr.write(`balancer: nothing was released: ${text}\n`)
  return 1
}

/** Processes that hold addresses, and whose supervisor is dead: another one has become their parent. */
const orphans = (): readonly number[] => {
  const all = balancerProcesses()
  const supervisors = new Set(all.filter(({ role }) => role === 'supervisor').map(({ pid }) => pid))
  return all.filter(({ role, parent }) => role === 'vrrp' && !supervisors.has(parent)).map(({ pid }) => pid)
}

/** Waits for a condition; false when it did not come. */
const until = async (condition: () => Promise<boolean> | boolean, limit: number): Promise<boolean> => {
  const last = performance.now() + limit
  while (!(await condition())) {
    if (performance.now() > last) return false
    await wait(pause)
  }
  return true
}
