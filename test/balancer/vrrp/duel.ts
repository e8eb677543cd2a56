// Two routers on one wire, ours and a keepalived: every way of speaking, and what is needed to set them against each other.

import type { VrrpInstanceConfig } from '../../../balancer/config/vrrp-schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { Host } from '../../lab/host.ts'
import { createLab, type Lab } from '../../lab/lab.ts'
import type { LabProcess } from '../../lab/lab-process.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { type KeepalivedOptions, startKeepalived } from './keepalived.ts'
import { instance } from './router.ts'

const ipv4 = ['198.18.0.100/24']
/** The addresses of the ways that speak IPv6. */
export const ipv6 = ['fe80::100/64', '2001:db8:18::100/64']
const virtual = (addresses: readonly string[]): VrrpInstanceConfig['virtual_addresses'] =>
  addresses.map((address) => {
    const [text = '', prefix] = address.split('/')
    return { address: { address: text, prefixLength: Number(prefix) } }
  })

/** A way of speaking, as each side is configured for it. Version 3 unless it says otherwise. */
export type Way = {
  readonly name: string
  readonly ours: Partial<VrrpInstanceConfig>
  readonly theirs: Partial<KeepalivedOptions>
  readonly version?: 2 | 3
}

const password = 'pw-1+x'
const unicast = { source: '198.18.0.1', peers: ['198.18.0.2'], min_ttl: 255 }
const theirUnicast = { source: '198.18.0.2', peer: '198.18.0.1' }
const sixUnicast = { source: '2001:db8:18::1', peers: ['2001:db8:18::2'], min_ttl: 255 }
/** All of them. */
export const ways: readonly Way[] = [
  { name: 'version 2', version: 2, ours: {}, theirs: {} },
  { name: 'version 2, unicast', version: 2, ours: { unicast }, theirs: { unicast: theirUnicast } },
  {
    name: 'version 2 with a password, unicast',
    version: 2,
    ours: { authentication: { type: 'pass', password }, unicast },
    theirs: { password, unicast: theirUnicast },
  },
  {
    name: 'version 2 with a password',
    version: 2,
    ours: { authentication: { type: 'pass', password } },
    theirs: { password },
  },
  { name: 'version 3', ours: {}, theirs: {} },
  { name: 'version 3, unicast', ours: { unicast }, theirs: { unicast: theirUnicast } },
  { name: 'version 3 from a virtual MAC address', ours: { virtual_mac: true }, theirs: {} },
  {
    name: 'version 3, both from virtual MAC addresses',
    ours: { virtual_mac: true },
    theirs: { useVmac: true },
  },
  { name: 'IPv6', ours: { virtual_addresses: virtual(ipv6) }, theirs: { addresses: ipv6 } },
  {
    name: 'IPv6, unicast',
    ours: { virtual_addresses: virtual(ipv6), unicast: sixUnicast },
    theirs: { addresses: ipv6, unicast: { source: '2001:db8:18::2', peer: '2001:db8:18::1' } },
  },
  {
    name: 'IPv6 from a virtual MAC address',
    ours: { virtual_addresses: virtual(ipv6), virtual_mac: true },
    theirs: { addresses: ipv6 },
  },
]

/** The stage: our router is to run on lb1, keepalived on lb2. Priority 100 is keepalived's unless it is told otherwise. */
export type Duel = {
  readonly lab: Lab
  readonly lb1: Host
  readonly lb2: Host
  readonly config: (priority: number, changes?: Partial<VrrpInstanceConfig>) => VrrpInstanceConfig
  readonly startOther: (changes?: Partial<KeepalivedOptions>) => Promise<LabProcess>
  readonly onlyOn: (host: Host) => Promise<boolean>
  readonly bothHold: () => Promise<boolean>
}

/** Sets it up. The caller destroys the lab. */
export const openDuel = async ({ ours, theirs, version = 3 }: Way): Promise<Duel> => {
  const lab = await createLab({ name: 'vrrp-interop' })
  const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
  const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
  for (const [host, address] of [
    [lb1, '2001:db8:18::1/64'],
    [lb2, '2001:db8:18::2/64'],
  ] as const) {
    // A cable that is pulled costs an interface its IPv6 addresses otherwise.
    await host.run('sysctl', ['-q', '-w', 'net.ipv6.conf.eth0.keep_addr_on_down=1'])
    await host.run('ip', ['address', 'add', address, 'dev', 'eth0', 'nodad'])
  }
  await waitFor('duplicate address detection', async () => {
    const { stdout } = await lb2.run('ip', ['-6', 'address', 'show', 'dev', 'eth0', 'tentative'])
    return stdout === ''
  })
  // After a link is back, a unicast peer may need another second to find the neighbour: longer than three short intervals.
  const interval = version === 2 ? 1000 : ours.unicast === undefined ? 100 : 500
  const addresses = theirs.addresses ?? ipv4
  const holds = async (host: Host): Promise<boolean> => {
    const { stdout } = await host.run('ip', ['-oneline', 'address', 'show'])
    return addresses.every((address) => stdout.includes(` ${address} `))
  }
  return {
    lab,
    lb1,
    lb2,
    config: (priority, changes = {}) =>
      instance({ version, priority, advertisement_interval: millis(interval), ...ours, ...changes }),
    startOther: (changes = {}) => {
      const options = { version, priority: 100, interval: interval / 1000, addresses, ...theirs, ...changes }
      return startKeepalived(lab, lb2, options)
    },
    onlyOn: (host) =>
      waitFor(`the virtual addresses on ${host.name} alone`, async () => {
        const [first, second] = await Promise.all([holds(lb1), holds(lb2)])
        return first !== second && (host === lb1 ? first : second)
      }),
    bothHold: () =>
      waitFor('the virtual addresses on both hosts', async () => (await holds(lb1)) && (await holds(lb2))),
  }
}
