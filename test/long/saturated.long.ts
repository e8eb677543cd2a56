// Two balancers at 100 ms on a machine without a free moment: the address must stay where it is. Ten minutes, or as many
// seconds as LONG_SECONDS says.

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { balancerSide } from '../bench/failover/balancer-side.ts'
import { buildField, holdsAddress, startClient } from '../bench/failover/field.ts'
import { createLab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'

const seconds = Number(process.env['LONG_SECONDS'] ?? 600)
const interval = 100
const preparation = 120_000
t.setTimeout(seconds * 1000 + 2 * preparation)

const probeInterval = 5
const probeTimeout = 10_000
const lookMillis = 1000

const lab = await createLab({ name: 'long-saturated' })
t.teardown(() => lab.destroy())
const field = await buildField(lab)
const [first, second] = field.balancers
const side = balancerSide(field)
const options = { interval, preempt: false, script: null }
const master = await side.start({ ...options, host: first, priority: 101 })
await waitFor(`${first.name} to hold the address`, () => holdsAddress(first))
const backup = await side.start({ ...options, host: second, priority: 100 })
await waitFor(`${second.name} to be backup`, () => backup.isBackup())

/** Runs for as long as it is told and not a second longer, should nobody be there to end it. */
const busy = 'const end = Date.now() + Number(process.argv[1]); while (Date.now() < end);'

/** The advertisements as the client's interface saw them: the kernel's moments, which no load makes late. */
const recordAdvertisements = async (): Promise<() => Promise<readonly Advertisement[]>> => {
  const file = join(lab.directory, 'advertisements.pcap')
  const words = ['-i', 'eth0', '--immediate-mode', '-U', '-Z', 'root', '-w', file, 'ip proto 112']
  const tcpdump = field.client.spawn('tcpdump', 'tcpdump', words)
  await tcpdump.waitForOutput(/listening on/)
  return async () => {
    tcpdump.signal('SIGINT')
    await tcpdump.exited
    const fields = ['frame.time_epoch', 'ip.src', 'vrrp.prio'].flatMap((field) => ['-e', field])
    const { stdout } = await field.client.run('tshark', ['-r', file, '-T', 'fields', ...fields])
    return stdout.split('\n').flatMap((line) => {
      const [at = '', from = '', priority = ''] = line.split('\t')
      return line === '' ? [] : [{ at: Number(at) * 1000, from, priority: Number(priority) }]
    })
  }
}

type Advertisement = { readonly at: number; readonly from: string; readonly priority: number }

await t.test(`no fail-over in ${seconds} s with every core saturated`, async (t) => {
  const before = await Promise.all([master.show(), backup.show()])
  const advertisements = await recordAdvertisements()
  const cores = availableParallelism()
  const spinners = Array.from({ length: cores }, (_, i) =>
    lab.spawn(`busy-${i}`, process.execPath, ['-e', busy, String(seconds * 1000 + preparation)]),
  )
  const newcomers = await startClient(field, probeInterval, probeTimeout)
  const from = newcomers.mark()

  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    await sleep(lookMillis)
    if (!spinners.every(({ isRunning }) => isRunning())) t.fail('a busy process ended early')
  }

  const to = newcomers.mark()
  const heard = await advertisements()
  for (const spinner of spinners) await spinner.kill()
  await newcomers.settled({ limit: preparation })
  const window = newcomers.since(from, to)
  const after = await Promise.all([master.show(), backup.show()])

  const gaps = heard.map(({ at }, i) => at - (heard[i - 1]?.at ?? at))
  const worst = Math.max(...gaps)
  const late = gaps.filter((gap) => gap > 2 * interval).length
  t.comment(
    `${heard.length} advertisements, worst gap between two ${worst.toFixed(1)} ms, ${late} gaps over ${2 * interval} ms`,
  )
  t.comment(
    `${window.attempts} new connections, ${window.failed} failed, ${window.slow} slow; the probe was ${window.probeLateMs} ms late at worst`,
  )
  t.ok(window.attempts > 0, 'clients were there')
  t.ok(heard.length > seconds, 'advertisements were seen')
  t.same([...new Set(heard.map(({ from: source }) => source))], [first.address], 'one host alone advertised')
  t.same(
    after.map(({ state, transitions }) => ({ state, transitions })),
    before.map(({ state, transitions }) => ({ state, transitions })),
    'no router changed its state',
  )
})
