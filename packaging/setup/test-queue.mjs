// @ts-check
// In what order the files of tests run, and how many at once: as many as this machine has time for.

import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Labs mostly wait, so that more of them run than there are processors; they meet nowhere. */
const fewest = 2
const most = 6
const lookMs = 500
/** So much of the time since the last look at the processors was nobody's. */
const idleEnough = 0.25

/** What takes a minute and more has to begin first, or the end waits for it alone. */
const longest = [
  'e2e/datapaths',
  'e2e/kernel',
  'e2e/reexec',
  'e2e/start',
  'e2e/orders',
  'e2e/tracking',
  'e2e/failover',
  'e2e/direct-return',
  'e2e/direct',
  'e2e/setup',
  'e2e/cluster',
  'e2e/balancer-systemd',
  'e2e/push',
  'e2e/ipv6',
  'e2e/page',
  'e2e/shortage',
  'balancer/vrrp/driver',
].map((name) => `dist/test/${name}.test.js`)

/**
 * The longest first, then other labs, and what needs nothing but a processor last.
 * @param {readonly string[]} files
 */
export const inOrder = (files) => {
  const ranked = files.map((file) => {
    const place = longest.indexOf(file)
    const isLab = file.includes('/e2e/') || readFileSync(file, 'utf8').includes('lab/lab.js')
    return { file, rank: place >= 0 ? place : longest.length + (isLab ? 0 : 1) }
  })
  ranked.sort((a, b) => a.rank - b.rank)
  return ranked.map(({ file }) => file)
}

/** For how long all processors were idle until now, and how long it is in all. */
const processorTimes = () => {
  const times = cpus().map((cpu) => cpu.times)
  const idle = times.reduce((sum, one) => sum + one.idle, 0)
  const busy = times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, 0)
  return { at: performance.now(), idle, all: idle + busy }
}

/**
 * Runs all files in their order, `jobs` at once, or, where that is undefined, two and more of them while processors are idle.
 * @param {readonly string[]} files
 * @param {(file: string) => Promise<void>} run
 * @param {number | undefined} jobs
 */
export const runInOrder = async (files, run, jobs) => {
  const waiting = [...files]
  /** @type {Set<Promise<void>>} */
  const running = new Set()
  const startNext = () => {
    const file = waiting.shift()
    if (file === undefined) return
    const one = run(file).finally(() => running.delete(one))
    running.add(one)
  }
  let before = processorTimes()
  while (waiting.length > 0) {
    while (waiting.length > 0 && running.size < (jobs ?? fewest)) startNext()
    await Promise.race([...running, sleep(lookMs)])
    const now = processorTimes()
    if (now.at - before.at < lookMs) continue
    const isIdle = now.idle - before.idle > idleEnough * (now.all - before.all)
    if (jobs === undefined && isIdle && running.size < most) startNext()
    before = now
  }
  await Promise.all(running)
}
