// What a balancer could leave on a host: rules, entries of connection tracking, settings of the kernel, addresses.

import type { Host } from '../lab/host.ts'

/** All of it as text, to be compared. */
export type HostState = Readonly<Record<'rules' | 'entries' | 'settings' | 'addresses', string>>

/** Counters and timers of the kernel itself, which no balancer sets. */
const moving = /^net\.(netfilter\.nf_conntrack_(count|max|buckets)|ipv4\.tcp_fastopen_key)\b/

/** How a host is now. Of its entries only those with a mark count: whatever talks has entries where rules look at any. */
export const hostState = async (host: Host): Promise<HostState> => {
  const [rules, entries, settings, addresses] = await Promise.all([
    host.run('nft', ['list', 'ruleset']),
    host.run('conntrack', ['-L', '-o', 'extended']),
    host.run('sysctl', ['-a', '--pattern', '^net[.]']),
    host.addresses(),
  ])
  const lines = (text: string, isMeant: (line: string) => boolean): string =>
    text.split('\n').filter(isMeant).join('\n')
  return {
    rules: rules.stdout,
    entries: lines(entries.stdout, (line) => /\bmark=(?!0\b)/.test(line)),
    settings: lines(settings.stdout, (line) => !moving.test(line)),
    addresses: addresses.toSorted().join('\n'),
  }
}
