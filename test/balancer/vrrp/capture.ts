// What was on the wire: tcpdump writes it down, tshark reads it with its checks of checksums.

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
  readonly priority: string
  readonly checksum: string
  readonly complaint: string
}

/** Starts to write down the VRRP and ARP traffic that a host sees; the function returned ends that and reads it. */
export const capture = async (lab: Lab, host: Host): Promise<() => Promise<readonly Frame[]>> => {
  const file = join(lab.directory, `${host.name}.pcap`)
  const filter = 'ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] == 136)'
  const tcpdump = host.spawn('tcpdump', 'tcpdump', [
    '-i',
    'eth0',
    '--immediate-mode',
    '-U',
    '-Z',
    'root',
    '-w',
    file,
    filter,
  ])
  await tcpdump.waitForOutput(/listening on/)
  return async () => {
    tcpdump.signal('SIGINT')
    await tcpdump.exited
    const read = await waitFor('tshark to read the capture', async () => {
      const words = fields.flatMap((field) => ['-e', field])
      const result = await host.run('tshark', ['-r', file, '-o', 'ip.check_checksum:TRUE', '-T', 'fields', ...words])
      return result.code === 0 ? result : undefined
    })
    return read.stdout.split('\n').flatMap((line): Frame[] => {
      if (line === '') return []
      const [mac = '', arp = '', na = '', ip4 = '', ip6 = '', ttl = '', hops = '', tos = '', tclass = '', ...vrrp] =
        line.split('\t')
      const [priority = '', checksum = '', complaint = ''] = vrrp
      const protocol = arp !== '' ? 'arp' : na !== '' ? 'na' : 'vrrp'
      const source = arp || na || ip4 || ip6
      return [{ protocol, mac, source, ttl: ttl || hops, tos: tos || tclass, priority, checksum, complaint }]
    })
  }
}

const fields = [
  'eth.src',
  'arp.src.proto_ipv4',
  'icmpv6.nd.na.target_address',
  'ip.src',
  'ipv6.src',
  'ip.ttl',
  'ipv6.hlim',
  'ip.dsfield',
  'ipv6.tclass',
  'vrrp.prio',
  'vrrp.checksum.status',
  '_ws.expert.message',
]
