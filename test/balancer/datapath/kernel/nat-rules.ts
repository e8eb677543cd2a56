// The least rules with which sessions carry a mark of their server and reach it: what the tracker needs of a ruleset, no more.

import { markOf } from './tracker-messages.ts'

/** Servers answer to the virtual addresses; each gets every n-th session. */
export const natRules = (
  addresses: Readonly<Record<'ip' | 'ip6', string>>,
  servers: Readonly<Record<'ip' | 'ip6', readonly string[]>>,
): string => {
  const family = (protocol: 'ip' | 'ip6'): string => {
    const slots = servers[protocol].map((_, i) => `${i} : ${markOf(i + 1)}`).join(', ')
    const targets = servers[protocol].map((server, i) => `${markOf(i + 1)} : ${server} . 3306`).join(', ')
    return `
      chain pick-${protocol} {
        tcp flags and (fin | syn | rst | ack) != syn return
        ct mark set numgen inc mod ${servers[protocol].length} map { ${slots} }
        meta l4proto tcp dnat ${protocol} to ct mark map { ${targets} }
      }`
  }
  const enter = (['ip', 'ip6'] as const)
    .map((protocol) => `${protocol} daddr ${addresses[protocol]} tcp dport 3366 jump pick-${protocol}`)
    .join('\n')
  const leave = (['ip', 'ip6'] as const)
    .map(
      (protocol) =>
        `ct mark and 0xff000000 == 0xb1000000 meta nfproto ${protocol === 'ip' ? 'ipv4' : 'ipv6'} snat ${protocol} to ${addresses[protocol]}`,
    )
    .join('\n')
  return `
    table inet nat-lab {
      ct timeout ended { protocol tcp; l3proto ip; policy = { established: 600, time_wait: 1, close: 1 }; }
      ${family('ip')}
      ${family('ip6')}
      chain raw-output { type filter hook output priority raw; meta mark 0xb1fe0001 notrack; }
      chain timeouts { type filter hook prerouting priority -150; ip daddr ${addresses.ip} tcp dport 3366 ct timeout set "ended"; }
      chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local jump enter; }
      chain output { type nat hook output priority -100; fib daddr type local jump enter; }
      chain enter { ${enter}; }
      chain input { type nat hook input priority 100; ${leave}; }
      chain postrouting { type nat hook postrouting priority srcnat; ${leave}; }
      chain forward { type filter hook forward priority filter; ct direction reply tcp flags and rst == rst ct status dying drop; }
    }`
}
