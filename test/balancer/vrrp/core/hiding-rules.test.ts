import t from 'tap'
import { hidingRules } from '../../../../balancer/vrrp/core/hiding-rules.ts'

t.test('addresses are hidden everywhere, link-local ones on their own interface only', async (t) => {
  const rules = hidingRules(
    [
      { address: '198.18.0.100', device: 'eth0' },
      { address: '198.18.9.100', device: 'eth1' },
      { address: 'fe80::100', device: 'eth0' },
      { address: '2001:db8::100', device: 'eth1' },
    ],
    7,
  )
  t.match(rules, 'meta time < 7 arp operation request arp daddr ip { 198.18.0.100, 198.18.9.100 } drop;')
  t.match(rules, '@th,64,128 { 0x20010db8000000000000000000000100 } drop;')
  t.match(
    rules,
    'meta time < 7 iifname "eth0" icmpv6 type nd-neighbor-solicit @th,64,128 { 0xfe800000000000000000000000000100 } drop;',
  )
  t.notMatch(hidingRules([], 0), 'chain')
})
