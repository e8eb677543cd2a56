import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { mustRun } from './command.ts'
import type { Host } from './host.ts'
import { createLab, type Lab } from './lab.ts'
import { familyOf, identify, processesInNamespaces } from './proc.ts'
import { waitFor } from './wait-for.ts'

t.setTimeout(300_000)

const port = 7000
const serve = `require('node:net').createServer((s) => s.end()).listen(${port}, () => console.log('listening'))`

const startServer = async (host: Host): Promise<void> => {
  await host.spawn('server', process.execPath, ['-e', serve]).waitForOutput(/listening/)
}

const reaches = async (from: Host, to: Host): Promise<boolean> => {
  const { code } = await from.run('timeout', ['1', 'bash', '-c', `exec 3<>/dev/tcp/${to.address}/${port}`])
  return code === 0
}

const namespacesOf = async ({ id }: Pick<Lab, 'id'>): Promise<readonly string[]> =>
  (await mustRun('ip', ['netns', 'list'])).split('\n').filter((line) => line.startsWith(`mlab-${id}-`))

const stranger = async (host: Host): Promise<void> => {
  await host.run('sh', ['-c', 'setsid sleep 602 >/dev/null 2>&1 &'])
}

t.test('hosts of a lab reach each other, and have their names', async (t) => {
  const lab = await createLab({ name: 'reach' })
  t.teardown(lab.destroy)
  const [a, b] = [await lab.addHost('a', '198.18.0.1/24'), await lab.addHost('b', '198.18.0.2/24')]
  await startServer(b)
  t.ok(await reaches(a, b))
  t.same(await a.addresses(), ['198.18.0.1/24'])
  const hostname = a.spawn('hostname', 'cat', ['/proc/sys/kernel/hostname'])
  t.equal((await hostname.waitForOutput(/.+/))[0], 'a')
  t.equal(lab.host('b'), b)
  t.throws(() => lab.host('c'), /no host c in this lab; there are a, b/)
})

t.test('a destroyed lab leaves no process, namespace, file or record', async (t) => {
  const lab = await createLab({ name: 'gone' })
  t.teardown(lab.destroy)
  const host = await lab.addHost('a', '198.18.0.1/24')
  const orphan = lab.spawn('parent', 'sh', ['-c', 'setsid sleep 604 >/dev/null & echo $!'])
  const [orphanPid = ''] = await orphan.waitForOutput(/\d+/)
  await orphan.exited
  const stubborn = host.spawn('stubborn', 'bash', ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.2; done'])
  await stubborn.waitForOutput(/ready/)
  await stranger(host)
  const inside = processesInNamespaces([host.namespace])
  t.ok(identify(Number(orphanPid)), 'one on the machine itself has lost its parent')
  t.ok(inside.length >= 2, 'a program of the lab and a stranger are inside')
  t.ok(existsSync(`/run/mysql-balancer-lab/${lab.id}.json`))
  await lab.destroy()
  t.same([Number(orphanPid), ...inside.map(({ pid }) => pid)].map(identify).filter(Boolean), [])
  t.same(await namespacesOf(lab), [])
  t.notOk(existsSync(lab.directory))
  t.notOk(existsSync(`/run/mysql-balancer-lab/${lab.id}.json`))
  await t.resolves(lab.destroy(), 'it may be destroyed again')
  t.throws(() => host.spawn('late', 'sleep', ['1']), /was destroyed/)
})

t.test('two labs with the same addresses do not meet', async (t) => {
  const [one, two] = [await createLab({ name: 'one' }), await createLab({ name: 'two' })]
  t.teardown(one.destroy)
  t.teardown(two.destroy)
  const [a1, b1] = [await one.addHost('a', '198.18.0.1/24'), await one.addHost('b', '198.18.0.2/24')]
  const [a2, b2] = [await two.addHost('a', '198.18.0.1/24'), await two.addHost('b', '198.18.0.2/24')]
  await startServer(b1)
  t.ok(await reaches(a1, b1))
  t.notOk(await reaches(a2, b2), 'nobody listens in the second lab')
  await two.destroy()
  t.ok(await reaches(a1, b1), 'the first lab goes on')
})

t.test('a cable that was pulled can be plugged in again', async (t) => {
  const lab = await createLab({ name: 'cable' })
  t.teardown(lab.destroy)
  const [a, b] = [await lab.addHost('a', '198.18.0.1/24'), await lab.addHost('b', '198.18.0.2/24')]
  await startServer(b)
  t.ok(await reaches(a, b))
  await b.cutLink()
  t.notOk(await reaches(a, b))
  await b.restoreLink()
  t.ok(await waitFor('b to be reached again', () => reaches(a, b)))
})

t.test('a power cut kills all that runs on the host; it comes back with its own address alone', async (t) => {
  const lab = await createLab({ name: 'power' })
  t.teardown(lab.destroy)
  const [a, b] = [await lab.addHost('a', '198.18.0.1/24'), await lab.addHost('b', '198.18.0.2/24')]
  await startServer(b)
  await stranger(b)
  await b.run('ip', ['address', 'add', '198.18.0.50/32', 'dev', 'eth0'])
  t.same(await b.addresses(), ['198.18.0.2/24', '198.18.0.50/32'])
  await b.powerCut()
  t.same(processesInNamespaces([b.namespace]), [])
  t.notOk(await reaches(a, b))
  await b.powerOn()
  t.same(await b.addresses(), ['198.18.0.2/24'])
  await startServer(b)
  t.ok(await waitFor('b to be reached again', () => reaches(a, b)))
})

t.test('a stalled program and its children stand still until they are resumed', async (t) => {
  const lab = await createLab({ name: 'stall' })
  t.teardown(lab.destroy)
  const program = lab.spawn('parent', 'bash', ['-c', 'sleep 603 & echo ready; wait'])
  await program.waitForOutput(/ready/)
  const states = (): string =>
    familyOf(program.pid)
      .map((pid) => readFileSync(`/proc/${pid}/stat`, 'latin1').match(/\) (\w)/)?.[1])
      .join('')
  program.stall()
  t.ok(await waitFor('both to stand still', () => states() === 'TT'))
  program.resume()
  t.ok(await waitFor('both to go on', () => states() === 'SS'))
  program.signal('SIGTERM')
  t.same(await program.exited, { code: null, signal: 'SIGTERM' })
})

t.test('waiting for what a program never prints tells what it printed', async (t) => {
  const lab = await createLab({ name: 'words' })
  t.teardown(lab.destroy)
  const program = lab.spawn('words', 'echo', ['something else'])
  await t.rejects(program.waitForOutput(/hello/), /words ended without printing \/hello\/:\nsomething else/)
})
