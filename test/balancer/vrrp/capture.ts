// What was on the wire: tcpdump writes it down, tshark reads it with its checks of checksums.

import { join } from 'node:path'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'

/** One frame, as tshark understands it. `checksum` is Good, Bad or empty. */
export type Frame = {
  readonly protocol: 'arp' | 'vrrp'
  readonly source: string
  readonly ttl: string
  readonly tos: string
  readonly priority: string
  readonly checksum: string
}

/** Starts to write down the VRRP and ARP traffic that a host sees; the function returned ends that and reads it. */
export const capture = async (lab: Lab, host: Host): Promise<() => Promise<readonly Frame[]>> => {
  const file = join(lab.directory, `${host.name}.pcap`)
  const filter = 'ip proto 112 or arp'
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
    const fields = ['arp.src.proto_ipv4', 'ip.src', 'ip.ttl', 'ip.dsfield', 'vrrp.prio', 'vrrp.checksum.status']
    const read = await waitFor('tshark to read the capture', async () => {
      const result = await host.run('tshark', ['-r', file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])])
      return result.code === 0 ? result : undefined
    })
    return read.stdout.split('\n').flatMap((line): Frame[] => {
      const [arp = '', source = '', ttl = '', tos = '', priority = '', checksum = ''] = line.split('\t')
      if (line === '') return []
      return [{ protocol: arp === '' ? 'vrrp' : 'arp', source: arp || source, ttl, tos, priority, checksum }]
    })
  }
}
