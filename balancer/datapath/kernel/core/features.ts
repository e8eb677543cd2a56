// What the datapath asks of nft and of the kernel, each in the smallest rules that need it: `nft -c` tries them, and keeps nothing.

import { type Feature, trialTable } from '../../rules/core/feature.ts'

const chain = (hook: string, rule: string): string => `chain c { type ${hook}; ${rule}; }`
const trial = (content: string): string => `table inet ${trialTable} { ${content}\n}\n`
const natHook = 'nat hook prerouting priority dstnat'
const filterHook = 'filter hook prerouting priority mangle'

/** All of them, the simplest first. */
export const features: readonly Feature[] = [
  { name: 'tables of the family inet', module: 'nf_tables', rules: trial('') },
  {
    name: 'translation of addresses',
    module: 'nft_chain_nat, nft_nat',
    rules: trial(chain(natHook, 'meta l4proto tcp dnat ip to 192.0.2.1:3306')),
  },
  { name: 'connection tracking (ct mark)', module: 'nft_ct', rules: trial(chain(filterHook, 'ct mark set 0x1')) },
  {
    name: 'turns (numgen)',
    module: 'nft_numgen',
    rules: trial(chain(filterHook, 'meta mark set numgen inc mod 2 map { 0 : 1, 1 : 2 }')),
  },
  {
    name: 'hashes (jhash)',
    module: 'nft_hash',
    rules: trial(chain(filterHook, 'meta mark set jhash ip saddr mod 2 map { 0 : 1, 1 : 2 }')),
  },
  {
    name: 'looking up whose an address is (fib)',
    module: 'nft_fib_inet',
    rules: trial(chain(filterHook, 'fib daddr type local counter')),
  },
  {
    name: 'timeouts by listener (ct timeout)',
    module: 'nfnetlink_cttimeout',
    rules: trial('ct timeout t { protocol tcp; l3proto ip; policy = { established: 60 } ; }'),
  },
  {
    name: 'counters by server',
    module: 'nft_objref, nft_counter',
    rules: trial(
      `counter n { }; map m { type ipv4_addr : counter; elements = { 192.0.2.1 : "n" }; }; ${chain(filterHook, 'counter name ip daddr map @m')}`,
    ),
  },
  {
    name: 'limits of connections (ct count)',
    module: 'nft_connlimit',
    rules: trial(
      `set s { type ipv4_addr; flags dynamic; }; ${chain(filterHook, 'add @s { ip saddr ct count over 2 } counter')}`,
    ),
  },
  {
    name: 'limits of rates (limit)',
    module: 'nft_limit',
    rules: trial(chain(filterHook, 'limit rate over 10/second counter')),
  },
  {
    name: 'resets (reject)',
    module: 'nft_reject_inet',
    rules: trial(chain('filter hook forward priority filter', 'meta l4proto tcp reject with tcp reset')),
  },
  {
    name: 'packets that are not tracked (notrack)',
    module: 'nft_ct',
    rules: trial(chain('filter hook prerouting priority raw', 'tcp dport 9 notrack')),
  },
]
