import { execFile } from 'node:child_process'
import { getPriority } from 'node:os'
import t from 'tap'

t.setTimeout(600_000)
const moduleOf = (name: string): string =>
  JSON.stringify(new URL(`../../../balancer/os/${name}.js`, import.meta.url).href)

/** A program that changes its own scheduling, then has a script look at its own; of both it prints name, nice value and policy (proc(5)). */
const scheduled = (change: string): string => `
const { readFileSync } = await import('node:fs')
const { raiseScheduling } = await import(${moduleOf('scheduling')})
const { runScript } = await import(${moduleOf('script')})
const outcome = ${change}
const shown = (stat) => {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { nice: Number(fields[16]), policy: Number(fields[38]) }
}
const command = ['/bin/cat', '/proc/self/stat']
const { lastLine } = await runScript({ command, timeout: 60_000, environment: {}, keepOutput: true }).result
console.log(JSON.stringify({ outcome, own: shown(readFileSync('/proc/self/stat', 'utf8')), script: shown(lastLine) }))
`
const raising = scheduled('raiseScheduling()')
const run = (program: string, ...prefix: readonly string[]): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const { NODE_OPTIONS: _, ...env } = process.env
    const words = [...prefix, process.execPath, '--input-type=module', '-e', program]
    execFile('/usr/bin/env', words, { env }, (error, out) =>
      error === null ? resolve(JSON.parse(out)) : reject(error),
    )
  })

const ordinary = { nice: 0, policy: 0 }
const roundRobin = { outcome: { ok: true, value: 'SCHED_RR' }, own: { policy: 2 }, script: ordinary }
t.test('the process gets real-time scheduling where it may, and its scripts do not', async (t) => {
  t.match(await run(raising), roundRobin)
})

t.test("a better nice value, which is what it takes else, is not its scripts' either", async (t) => {
  // A machine may grant a raised limit of nice(2) to nobody: this process takes the value itself.
  t.match(await run(scheduled('(await import("node:os")).setPriority(-20)')), {
    own: { nice: -20, policy: 0 },
    script: ordinary,
  })
})

t.test('where it may not, and may take no better nice value either, it says what would help', async (t) => {
  const unchanged = { ...ordinary, nice: getPriority() }
  const text = 'cannot raise the scheduling of the vrrp process: EPERM; give the unit CAP_SYS_NICE'
  t.match(await run(raising, 'prlimit', '--rtprio=0', '--nice=0', '--', 'setpriv', '--bounding-set=-sys_nice', '--'), {
    outcome: { ok: false, text },
    own: unchanged,
    script: unchanged,
  })
})
