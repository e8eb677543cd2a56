// `balancer release`: what a dead balancer left goes, whatever the file says by now, and nothing that is not ours.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import type { LabProcess } from '../lab/lab-process.ts'
import { processesInNamespaces, signalProcess } from '../lab/proc.ts'
import { balancerProgram as balancer } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-release' })
t.teardown(() => lab.destroy())
const host = await lab.addHost('lb1', '198.18.0.2/24')

/** An address owner is master at once, and with these intervals its leases last for minutes. */
const configure = (name: string, id: number, last: number, port: number): string => {
  const file = join(lab.directory, `${name}.yaml`)
  const text = `router_id: ${name}
vrrp:
  instances:
    - name: ${name}
      interface: eth0
      virtual_router_id: ${id}
      version: 3
      priority: 255
      advertisement_interval: 40s
      virtual_addresses: [198.18.0.${last}/24]
      virtual_addresses_excluded: ["2001:2::${last}/64"]
      virtual_routes: [{ to: 198.19.${last}.0/24, via: 198.18.0.1 }]
listeners:
  - name: mysql
    bind: 198.18.0.2:${port}
    check: { type: tcp }
    servers: [{ name: db1, address: 198.18.0.11:3306 }]
admin: { socket: ${join(lab.directory, `${name}.sock`)} }
`
  writeFileSync(file, text)
  return file
}
const first = configure('first', 51, 100, 3301)
const second = configure('second', 52, 101, 3302)
const start = async (file: string): Promise<LabProcess> => {
  const running = host.spawn('balancer', process.execPath, [balancer, '--config', file])
  await running.waitForOutput(/Entering MASTER STATE/)
  return running
}
const release = (file: string) => host.run(process.execPath, [balancer, 'release', '--config', file])
const shown = async (): Promise<string> => {
  const lists = [['address', 'show'], ['route'], ['-6', 'route'], ['link']].map((words) => host.run('ip', words))
  return (await Promise.all(lists)).map(({ stdout }) => stdout).join('\n')
}
/** The vrrp process ends without having taken anything away, and so does all of the balancer. */
const killBalancers = async (): Promise<void> => {
  const all = processesInNamespaces([host.namespace])
  for (const one of all) signalProcess(one, 'SIGSTOP')
  for (const one of all) signalProcess(one, 'SIGKILL')
  await waitFor('all to be gone', () => processesInNamespaces([host.namespace]).length === 0)
}
const left = /198\.18\.0\.100|2001:2::100|198\.19\.100\.0/g
const releasedOfFirst = [
  'released: route to 198.19.100.0/24 via 198.18.0.1 on eth0',
  'released: address 198.18.0.100/24 on eth0',
  'released: address 2001:2::100/64 on eth0',
  'released: (first) sent 0 priority',
]
const linesOf = (stdout: string): readonly string[] => stdout.trimEnd().split('\n')

await t.test('where a balancer runs with the file it refuses, and takes nothing', async (t) => {
  const running = await start(first)
  await waitFor('the route', async () => (await shown()).includes('198.19.100.0'))
  t.match(await release(first), {
    code: 1,
    stdout: '',
    stderr: /nothing was released: a balancer runs with .*stop it first/,
  })
  t.ok((await shown()).match(left))
  t.ok(running.isRunning())
})

await t.test(
  'of a dead one all goes; what is not ours stays, with an end or without; a second time there is nothing',
  async (t) => {
    for (const address of ['198.18.0.77/24', '2001:2::77/64'])
      await host.run('ip', ['address', 'add', address, 'dev', 'eth0'])
    const lease = ['valid_lft', '900', 'preferred_lft', '900']
    await host.run('ip', ['address', 'add', '198.18.0.78/24', 'dev', 'eth0', ...lease])
    await host.run('ip', ['route', 'add', '198.19.7.0/24', 'via', '198.18.0.1', 'proto', '18'])
    await killBalancers()
    t.equal((await shown()).match(left)?.length, 4, 'the leases last')
    await host.run('nft', ['add', 'table', 'arp', 'balancer_handover'])
    await host.run('nft', ['add', 'table', 'ip', 'mine'])
    const { code, stdout, stderr } = await release(first)
    t.same([code, stderr], [0, ''])
    t.same(linesOf(stdout), [...releasedOfFirst, 'released: rules of a hand-over: nft table arp balancer_handover'])
    const after = await shown()
    t.notMatch(after, left)
    for (const one of ['198.18.0.2/24', '198.18.0.77/24', '198.18.0.78/24', '2001:2::77/64', '198.19.7.0/24']) {
      t.ok(after.includes(one), one)
    }
    t.equal((await host.run('nft', ['list', 'tables'])).stdout, 'table ip mine\n')
    t.match(await release(first), { code: 0, stdout: /^nothing to release: /, stderr: '' })
  },
)

await t.test(
  'with a broken file, or none, what bears our mark goes; only the other routers cannot be told',
  async (t) => {
    await start(first)
    await waitFor('the route', async () => (await shown()).includes('198.19.100.0'))
    await killBalancers()
    const { code, stdout } = await release(join(lab.directory, 'nowhere.yaml'))
    t.equal(code, 0)
    t.same(linesOf(stdout), releasedOfFirst.slice(0, 3))
    t.notMatch(await shown(), left)
  },
)

await t.test('beside another balancer that runs, only what the file names goes', async (t) => {
  await start(first)
  await waitFor('the route', async () => (await shown()).includes('198.19.100.0'))
  await killBalancers()
  await start(second)
  await waitFor('the route', async () => (await shown()).includes('198.19.101.0'))
  t.match(await release(join(lab.directory, 'nowhere.yaml')), { code: 1, stdout: '', stderr: /another balancer runs/ })
  const { code, stdout } = await release(first)
  t.equal(code, 0)
  t.same(linesOf(stdout), releasedOfFirst)
  const after = await shown()
  t.notMatch(after, left)
  t.equal(after.match(/198\.18\.0\.101|2001:2::101|198\.19\.101\.0/g)?.length, 4, 'the other one keeps its own')
})
