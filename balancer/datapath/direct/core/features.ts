// What the direct datapath asks of nft and of the kernel.

import { type Feature, trialTable } from '../../rules/core/feature.ts'

/** No host is without it, and nothing is kept. */
const device = 'lo'
const trial = (content: string, ...rules: readonly string[]): string =>
  `table netdev ${trialTable} { ${content}\nchain c { type filter hook ingress device "${device}" priority 0; ${rules.map((rule) => `${rule}; `).join('')}}\n}\n`

/** All of them, the simplest first. */
export const features: readonly Feature[] = [
  { name: 'chains at the ingress of interfaces', module: 'nf_tables with CONFIG_NETFILTER_INGRESS', rules: trial('') },
  {
    name: 'passing on of frames (fwd)',
    module: 'nft_fwd_netdev',
    rules: trial('', `ether daddr set 02:00:00:00:00:01 fwd to "${device}"`),
  },
  { name: 'copies of frames (dup)', module: 'nft_dup_netdev', rules: trial('', `dup to "${device}"`) },
  {
    name: 'hashes (jhash)',
    module: 'nft_hash',
    rules: trial('', 'meta mark set jhash ip saddr . tcp sport mod 2 map { 0 : 1, 1 : 2 }'),
  },
  {
    name: 'sessions that are remembered (sets with timeouts)',
    module: 'nf_tables',
    rules: trial(
      'map m { type ipv4_addr . inet_service : mark; size 16; flags dynamic,timeout; }',
      'update @m { ip saddr . tcp sport timeout 10s : meta mark }',
    ),
  },
  {
    name: 'counters by server',
    module: 'nft_objref, nft_counter',
    rules: trial(
      'counter n { }\nmap m { type mark : counter; elements = { 1 : "n" } }',
      'counter name meta mark map @m',
    ),
  },
  {
    name: 'resets at ingress (reject), which came with Linux 5.11',
    module: 'nft_reject_netdev',
    rules: trial('', 'meta l4proto tcp reject with tcp reset'),
  },
  {
    name: 'limits of rates (limit)',
    module: 'nft_limit',
    rules: trial('', 'limit rate over 10/second counter'),
  },
]
