// What was on the wire: tcpdump writes it down, tshark reads it with its checks of checksums.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'

/** One frame, as tshark understands it. `checksum` is 1 when it is good; `complaint` is what tshark's experts say. */
export type Frame = {
  /** `arp` and `na` announce an address: `source` is that address. */
  readonly protocol: 'arp' | 'na' | 'vrrp'
  readonly mac: string
  readonly source: string
  readonly ttl: string
  readonly tos: string
  /** Milliseconds since the first frame. */
  readonly at: number
  readonly virtualRouterId: string
  readonly priority: string
  /** As it is written on the wire: seconds in version 2, centiseconds in version 3. */
  readonly interval: string
  /** The addresses that are advertised. */
  readonly addresses: readonly string[]
  readonly password: string
  readonly checksum: string
  readonly complaint: string
  /** Of a neighbour advertisement: that it replaces what was known. */
  readonly override: string
}

const everything = 'ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] == 136)'

/** The MAC address of a host's interface; /sys would show the machine's own. */
export const macOf = async (host: Host): Promise<string> => {
  const { stdout } = await host.run('ip', ['-json', 'link', 'show', 'eth0'])
  const [{ address }] = JSON.parse(stdout)
  return address
}

/** Starts to write down the VRRP and ARP traffic that a host sees; the function returned ends that and reads it. */
export const capture = async (
  lab: Lab,
  host: Host,
  { filter = everything, device = 'eth0' } = {},
): Promise<() => Promise<readonly Frame[]>> => {
  const file = join(lab.directory, `${host.name}-${randomBytes(3).toString('hex')}.pcap`)
  const options = ['--immediate-mode', '-U', '-Z', 'root', '-w', file]
  const tcpdump = host.spawn('tcpdump', 'tcpdump', ['-i', device, ...options, filter])
  await tcpdump.waitForOutput(/listening on/)
  return async () => {
    tcpdump.signal('SIGINT')
    await tcpdump.exited
    const read = await waitFor('tshark to read the capture', async () => {
      const words = fields.flatMap((field) => ['-e', field])
      const result = await host.run('tshark', ['-r', file, '-o', 'ip.check_checksum:TRUE', '-T', 'fields', ...words])
      return result.code === 0 ? result : undefined
    })
    return read.stdout.split('\n').flatMap((line) => (line === '' ? [] : [frameOf(line.split('\t'))]))
  }
}

const fields = [
  'frame.time_relative',
  'eth.src',
  'arp.src.proto_ipv4',
  'icmpv6.nd.na.target_address',
  'icmpv6.nd.na.flag.o',
  'ip.src',
  'ipv6.src',
  'ip.ttl',
  'ipv6.hlim',
  'ip.dsfield',
  'ipv6.tclass',
  'vrrp.virt_rtr_id',
  'vrrp.prio',
  'vrrp.adver_int',
  'vrrp.short_adver_int',
  'vrrp.ip_addr',
  'vrrp.ipv6_addr',
  'vrrp.auth_string',
  'vrrp.checksum.status',
  '_ws.expert.message',
] as const

const frameOf = (texts: readonly string[]): Frame => {
  const read = (field: (typeof fields)[number]): string => texts[fields.indexOf(field)] ?? ''
  const [arp, na] = [read('arp.src.proto_ipv4'), read('icmpv6.nd.na.target_address')]
  return {
    protocol: arp !== '' ? 'arp' : na !== '' ? 'na' : 'vrrp',
    mac: read('eth.src'),
    source: arp || na || read('ip.src') || read('ipv6.src'),
    ttl: read('ip.ttl') || read('ipv6.hlim'),
    tos: read('ip.dsfield') || read('ipv6.tclass'),
    at: Number(read('frame.time_relative')) * 1000,
    virtualRouterId: read('vrrp.virt_rtr_id'),
    priority: read('vrrp.prio'),
    interval: read('vrrp.adver_int') || read('vrrp.short_adver_int'),
    addresses: (read('vrrp.ip_addr') || read('vrrp.ipv6_addr')).split(',').filter((address) => address !== ''),
    password: read('vrrp.auth_string'),
    checksum: read('vrrp.checksum.status'),
    complaint: read('_ws.expert.message'),
    override: read('icmpv6.nd.na.flag.o'),
  }
}
