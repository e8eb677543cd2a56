// What an instance needs of its host and does not find: it waits in FAULT, at the start as at any other time.

import t from 'tap'
import { vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { type Router, startRouter } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'vrrp-missing' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
const common = { version: 3, advertisement_interval: '100ms', track: { serving: false } }
const first = {
  ...common,
  name: 'VI_1',
  interface: 'eth0',
  virtual_router_id: 51,
  virtual_addresses: ['198.18.0.100/24'],
}
const second = {
  ...common,
  name: 'VI_2',
  interface: 'lan0',
  virtual_router_id: 51,
  virtual_addresses: ['198.18.9.100/24'],
}
const vrrp = (...instances: readonly object[]) => vrrpSchema.parse({ instances })
const ip = async (...words: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await lb1.run('ip', words)
  if (code !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr}`)
  return stdout
}
const plugLan = async (): Promise<void> => {
  await ip('link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan1')
  for (const name of ['lan1', 'lan0']) await ip('link', 'set', name, 'up')
}
const become = (router: Router, state: string, reason = '', name = 'VI_2') =>
  waitFor(`${name} to be ${state} ${reason}`, () => {
    const fact = router.factOf(name)
    return fact?.state === state && fact.reason.includes(reason)
  })

t.test('an interface that comes, goes and comes otherwise is nothing to the other instances', async (t) => {
  const router = startRouter(lb1, vrrp(first, second))
  await router.waitForState('master')
  await become(router, 'fault', 'there is no interface lan0')
  await plugLan()
  await become(router, 'fault', 'lan0 has no IPv4 address of its own')
  await ip('address', 'add', '198.18.9.1/24', 'dev', 'lan0')
  await become(router, 'master')

  await ip('link', 'del', 'lan0')
  await become(router, 'fault', 'there is no interface lan0')
  await plugLan()
  await ip('address', 'add', '198.18.9.1/24', 'dev', 'lan0')
  await become(router, 'master')

  await ip('link', 'set', 'lan0', 'name', 'elsewhere0')
  await become(router, 'fault', 'there is no interface lan0')
  await waitFor(
    'the address to leave it under its new name',
    async () => !(await ip('address', 'show', 'dev', 'elsewhere0')).includes('198.18.9.100'),
  )
  await ip('link', 'set', 'elsewhere0', 'name', 'lan0')
  await become(router, 'master')
  t.match(router.lastFact(), { name: 'VI_1', state: 'master', transitions: 2 })
  t.match(await router.process.stop(), { code: 0 })
  t.same(await lb1.addresses(), ['198.18.0.1/24', '198.18.9.1/24'])
  await ip('link', 'del', 'lan0')
})

t.test('a reload may name what is not there yet: it is told, and what runs goes on', async (t) => {
  const router = startRouter(lb1, vrrp(first))
  await router.waitForState('master')
  t.match(await router.reconfigure(vrrp(first, second)), [
    'vrrp VI_2: waits in FAULT: there is no interface lan0',
    'vrrp VI_2: added',
  ])
  await become(router, 'fault', 'there is no interface lan0')
  const there = [{ address: '198.18.0.101/24', dev: 'lan0' }]
  await router.reconfigure(
    vrrp(first, { ...second, interface: 'eth0', virtual_router_id: 52, virtual_addresses: there }),
  )
  await become(router, 'fault', 'there is no interface lan0')
  const unicast = { source: '198.18.0.3', peers: ['198.18.0.4'] }
  await router.reconfigure(vrrp(first, { ...second, interface: 'eth0', virtual_router_id: 52, unicast }))
  await become(router, 'fault', 'eth0 does not have the unicast source 198.18.0.3')
  await ip('address', 'add', '198.18.0.3/24', 'dev', 'eth0')
  await become(router, 'master')
  await ip('address', 'del', '198.18.0.3/24', 'dev', 'eth0')
  t.match(router.lastFact(), { name: 'VI_1', state: 'master', transitions: 2 })
  await router.process.stop()
})

t.test('an address that somebody else put there for good is waited for, and left alone', async (t) => {
  const shown = '198.18.0.100/24'
  await ip('address', 'add', shown, 'dev', 'eth0')
  const router = startRouter(lb1, vrrp(first, { ...second, interface: 'eth0', virtual_router_id: 52 }))
  await become(router, 'master')
  await become(router, 'fault', `${shown} is on eth0 already, and not put there by this program`, 'VI_1')
  await ip('link', 'set', 'eth0', 'alias', 'looked-at-again')
  const sent = router.factOf('VI_2')?.sent ?? 0
  await waitFor('some time', () => (router.factOf('VI_2')?.sent ?? 0) > sent + 15)
  t.match(await ip('address', 'show', 'dev', 'eth0'), /198\.18\.0\.100\/24 scope global [^\n]*\n\s+valid_lft forever/)
  await ip('address', 'del', shown, 'dev', 'eth0')
  await router.waitForState('master')
  const refusal = 'VRRP instance VI_2: 198.18.0.101/24 is on eth0 already'
  await ip('address', 'add', '198.18.0.101/24', 'dev', 'eth0')
  const more = { ...second, interface: 'eth0', virtual_router_id: 52, virtual_addresses_excluded: ['198.18.0.101/24'] }
  t.match(await router.refuse(vrrp(first, more)), refusal, 'who reloads is told at once')
  await ip('address', 'del', '198.18.0.101/24', 'dev', 'eth0')
  await router.process.stop()
})

t.test('below an MTU of 1280 there is no IPv6: it says so, and what to do', async (t) => {
  const ipv6 = { ...first, virtual_addresses: ['fe80::100/64', '2001:db8:18::100/64'] }
  const reason = 'eth0 has an MTU of 1200, and no IPv6 below 1280: ip link set eth0 mtu 1280'
  await ip('link', 'set', 'eth0', 'mtu', '1200')
  const router = startRouter(lb1, vrrp(ipv6))
  await become(router, 'fault', reason, 'VI_1')
  await ip('link', 'set', 'eth0', 'mtu', '1280')
  await become(router, 'master', '', 'VI_1')
  await ip('link', 'set', 'eth0', 'mtu', '1200')
  await become(router, 'fault', reason, 'VI_1')
  t.match(await router.process.stop(), { code: 0 })
  t.same(router.logged(/cannot remove|ENXIO/), [])
})

t.test('a link-local address that another host has too is named', async (t) => {
  const other = await lab.addHost('other', '198.18.0.9/24')
  await other.run('ip', ['address', 'add', 'fe80::77/64', 'dev', 'eth0', 'nodad'])
  await ip('link', 'set', 'eth0', 'mtu', '1500')
  await ip('-6', 'address', 'flush', 'dev', 'eth0', 'scope', 'link')
  await ip('-6', 'address', 'add', 'fe80::77/64', 'dev', 'eth0')
  const addresses = ['2001:2::100/64']
  const router = startRouter(lb1, vrrp({ ...second, interface: 'eth0', virtual_addresses: addresses }))
  await become(router, 'fault', 'another host has the address of eth0 too, fe80::77/64 (dadfailed)')
  t.comment('and is of no harm beside one of its own')
  await ip('-6', 'address', 'add', 'fe80::78/64', 'dev', 'eth0')
  await become(router, 'master')
  await router.process.stop()
})
