// What happens to the balancers, and where the virtual address is afterwards. One lab for all, in order.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { startProbe } from '../lab/gap-probe.ts'
import { createLab } from '../lab/lab.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { type BalancerHost, buildSite, instanceName, servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'

const limit = 600_000
t.setTimeout(limit)
const lab = await createLab({ name: 'e2e-failover' })
t.teardown(() => lab.destroy())
const site = await buildSite(lab, { databases: 2 })
const probe = await startProbe(site.client, {
  target: { address: virtualAddress, port: servicePort },
  user: appUser.user,
  password: appUser.password,
  interval: 20,
  timeout: 3000,
})

const other = (balancer: BalancerHost): BalancerHost => {
  const found = site.balancers.find((candidate) => candidate !== balancer)
  if (found === undefined) throw new Error('there is no other balancer')
  return found
}

const untilHeldBy = (balancer: BalancerHost): Promise<unknown> =>
  waitFor(`${balancer.host.name} alone holds ${virtualAddress}`, async () => {
    return (await balancer.holdsAddress()) && !(await other(balancer).holdsAddress())
  })

/** The one that holds the address, when the other one is ready to take it over: after what happened before it may be in fault. */
const holder = (): Promise<BalancerHost> =>
  waitFor('a master and a backup', async () => {
    const active = await site.holder()
    const [state] = (await other(active).status()).vrrp.map((router) => router.state)
    if (state !== 'backup') throw new Error(`the other one is ${state}`)
    return active
  })

/** New connections succeed again: a good number of them in a row. */
const untilServed = (): Promise<unknown> =>
  waitFor('new connections to succeed', async () => {
    const from = probe.mark()
    await new Promise((resolve) => setTimeout(resolve, 500))
    const to = probe.mark()
    await probe.settled()
    const { attempts, failed } = probe.since(from, to)
    return attempts > 10 && failed === 0
  })

type LogLine = {
  readonly msg: string
  readonly childPid?: number
  readonly reason?: string
  readonly level: string
}

const log = (balancer: BalancerHost): readonly LogLine[] =>
  balancer
    .process()
    .lines()
    .filter((line) => line.startsWith('{'))
    .map((line): LogLine => JSON.parse(line))

/** The process id of a balancer's child, as its log told last. */
const childOf = (balancer: BalancerHost, role: string): number => {
  const pid = log(balancer).findLast(({ msg }) => msg === `Process ${role} started`)?.childPid
  if (pid === undefined) throw new Error(`${balancer.host.name} has started no ${role}`)
  return pid
}

const killChild = async (balancer: BalancerHost, role: string): Promise<void> => {
  const before = childOf(balancer, role)
  process.kill(before, 'SIGKILL')
  await waitFor(`${role} to be started again`, () => childOf(balancer, role) !== before)
}

/** Sends each argument as an advertisement from the client, and the last one once more with a wrong TTL. */
const sendAdvertisements = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('198.18.0.200'))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
for packet in sys.argv[1:]:
    s.sendto(bytes.fromhex(packet), ('224.0.0.18', 0))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 64)
s.sendto(bytes.fromhex(sys.argv[-1]), ('224.0.0.18', 0))
`

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

await t.test('a clean stop hands the address over and leaves nothing behind', async (t) => {
  const active = await holder()
  const { code } = await active.process().stop()
  t.equal(code, 0)
  await untilHeldBy(other(active))
  await untilServed()
  t.notOk(await active.holdsAddress())
  const messages = log(active).map(({ msg }) => msg)
  t.ok(messages.includes(`(${instanceName}) Entering MASTER STATE`), 'it says that it was master')
  t.equal(messages.at(-1), 'Balancer stopped')
  await active.start()
})

await t.test('without preempt a router that returns stays backup', async (t) => {
  const active = await holder()
  const returned = other(active)
  await waitFor('it to be backup', async () => (await returned.status()).vrrp[0]?.state === 'backup')
  await waitFor('it to hear the master', async () => ((await returned.status()).vrrp[0]?.received ?? 0) > 5)
  t.ok(await active.holdsAddress())
  t.notOk(await returned.holdsAddress())
})

await t.test('power cut: the other one takes over, and the address is gone from the dead host', async (t) => {
  const active = await holder()
  await active.host.powerCut()
  await untilHeldBy(other(active))
  await untilServed()
  t.notOk(active.process().isRunning())
  await active.host.powerOn()
  await active.start()
})

await t.test('kill -9 of every process, link up: the kernel takes the address away when its lease ends', async (t) => {
  const active = await holder()
  await active.host.killAll()
  t.ok(await active.holdsAddress(), 'the address is still there')
  await untilHeldBy(other(active))
  await untilServed()
  t.notOk(await active.holdsAddress())
  await active.start()
})

await t.test('kill -9 of any one process: it is started again and the service goes on', async (t) => {
  for (const role of ['director', 'proxy', 'vrrp']) {
    const active = await holder()
    await killChild(active, role)
    await site.holder()
    await untilServed()
    t.match(
      log(active).find(({ msg }) => msg.startsWith(`Process ${role} died (signal SIGKILL)`)),
      { level: 'error' },
      role,
    )
  }
})

await t.test('processes that hang are started again, and this host is well again', async (t) => {
  const active = await holder()
  const roles = ['director', 'proxy', 'vrrp']
  const hung = roles.map((role) => childOf(active, role))
  for (const pid of hung) process.kill(pid, 'SIGSTOP')
  await untilHeldBy(other(active))
  await untilServed()
  await waitFor('each to be killed', () => hung.every((pid) => !isAlive(pid)))
  for (const role of roles) {
    const text = `Process ${role} has said nothing for 30 s, killing it`
    t.match(
      log(active).find(({ msg }) => msg === text),
      { level: 'error' },
      role,
    )
  }
  await waitFor('it to be backup', async () => (await active.status()).vrrp[0]?.state === 'backup')
  t.ok(active.process().isRunning())
  await untilServed()
})

await t.test('a vrrp process that comes back late does not take the address from the new master', async (t) => {
  const active = await holder()
  const before = childOf(active, 'vrrp')
  process.kill(before, 'SIGKILL')
  await waitFor('vrrp to be started again', () => childOf(active, 'vrrp') !== before, { interval: 1 })
  process.kill(childOf(active, 'vrrp'), 'SIGSTOP')
  await waitFor('the other one to take over', () => other(active).holdsAddress())
  process.kill(childOf(active, 'vrrp'), 'SIGCONT')
  await untilHeldBy(other(active))
  await untilServed()
  // Until the late one has told of itself, what its parent said stands: it is no master any more.
  await waitFor('it to be backup', async () => (await active.status()).vrrp[0]?.state === 'backup')
  t.ok(await other(active).holdsAddress())
})

await t.test('what a restarted vrrp process lacks is a fault, and is waited for', async (t) => {
  const active = await holder()
  const own = `${active.host.address}/24`
  await active.host.run('ip', ['address', 'delete', own, 'dev', 'eth0'])
  process.kill(childOf(active, 'vrrp'), 'SIGKILL')
  await untilHeldBy(other(active))
  await waitFor('the fault to be told', () => {
    const fault = log(active).findLast(({ msg }) => msg === `(${instanceName}) Entering FAULT STATE`)
    return fault?.reason === 'eth0 has no IPv4 address of its own'
  })
  t.pass('it is a fault of its instance')
  await active.host.run('ip', ['address', 'add', own, 'dev', 'eth0'])
  await waitFor('it to be backup', async () => (await active.status()).vrrp[0]?.state === 'backup')
  await untilServed()
})

await t.test('what fails a restarted process is tried again, and does not end the balancer', async (t) => {
  const active = await holder()
  const socket = join(dirname(active.configFile), 'admin.sock')
  rmSync(socket)
  writeFileSync(socket, '')
  process.kill(childOf(active, 'director'), 'SIGKILL')
  await waitFor('the trouble to be told', () =>
    log(active).some(({ level, msg }) => level === 'error' && msg.includes('something is there that is no socket')),
  )
  rmSync(socket)
  await waitFor('its status', async () => (await active.status()).vrrp[0]?.state !== 'fault')
  t.ok(active.process().isRunning())
  await untilServed()
})

await t.test('a reload of a file that cannot be read as YAML harms nobody', async (t) => {
  const active = await holder()
  const good = readFileSync(active.configFile, 'utf8')
  writeFileSync(active.configFile, `x: &x 1\ny: [${'*x, '.repeat(150)}]\n${good}`)
  active.process().signal('SIGHUP')
  await waitFor('the reload to be refused', () => log(active).some(({ msg }) => /^Reload of .* refused$/.test(msg)))
  writeFileSync(active.configFile, good)
  t.ok(await active.holdsAddress())
  await untilServed()
})

await t.test('kill -9 of the supervisor: its children hand the address over and end', async (t) => {
  const active = await holder()
  const children = ['vrrp', 'proxy', 'director'].map((role) => childOf(active, role))
  await active.process().kill()
  await untilHeldBy(other(active))
  await untilServed()
  await waitFor('its children to end', () => children.every((pid) => !isAlive(pid)))
  t.pass('no child is left')
  await active.start()
})

await t.test('a master that was frozen while the other took over does not keep the address', async (t) => {
  const active = await holder()
  active.process().stall()
  await waitFor('the other one to take over', () => other(active).holdsAddress())
  active.process().resume()
  await untilHeldBy(other(active))
  await untilServed()
  t.notOk(await active.holdsAddress())
})

await t.test('malformed advertisements are counted by reason and change nothing', async (t) => {
  const active = await holder()
  const before = (await active.status()).vrrp[0]
  const packets = ['', '31', '3133640100640000c6120064', '41336401006404dbc6120064', '31336401006404dac6120064']
  const { code, stderr } = await site.client.run('python3', ['-c', sendAdvertisements, ...packets])
  t.equal(code, 0, stderr)
  const after = await waitFor('the packets to be counted', async () => {
    const router = (await active.status()).vrrp[0]
    const counted = Object.values(router?.dropped ?? {}).reduce((sum, count) => sum + count, 0)
    return counted >= packets.length ? router : undefined
  })
  t.equal(after.state, 'master')
  t.equal(after.transitions, before?.transitions)
  t.match(after.dropped, { ttl: 1 })
  t.ok(await active.holdsAddress())
})
