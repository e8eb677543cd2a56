import t from 'tap'
import { type Status, statusOf } from '../../../../../balancer/admin/core/model/status.ts'
import { writtenAge } from '../../../../../balancer/admin/core/views/page/age.ts'
import { peersSection } from '../../../../../balancer/admin/core/views/page/peers.ts'
import { describePeers } from '../../../../../balancer/admin/core/views/peers-text.ts'
import { senderText } from '../../../../../balancer/admin/core/views/text.ts'
import { balancerSchema } from '../../../../../balancer/config/schema.ts'
import { createAccounts } from '../../../../../balancer/pool/core/accounts.ts'
import { balancerAt, failOverCost, type PeersFact } from '../../../../../balancer/pool/core/peers-fact.ts'
import { createPool } from '../../../../../balancer/pool/core/pool.ts'

const now = 1_700_000_000_000
const config = balancerSchema.parse({
  router_id: 'lb1',
  listeners: [{ name: 'mysql', bind: '198.18.0.100:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }],
})
const peer: PeersFact['peers'][number] = {
  ...{ address: '198.18.0.2:9224', name: 'lb2', connected: true, since: now - 5000, why: null },
  ...{ told: 12, taken: 3, holds: ['198.18.0.100'], warnings: [], malformed: {} },
}
const fact: PeersFact = {
  ...{ fact: 'peers', listen: '198.18.0.1:9224', trouble: null, exceptions: 12, peers: [peer], refused: {} },
}
const lost = {
  ...peer,
  address: '198.18.0.3:9224',
  name: null,
  connected: false,
  why: 'the keys differ',
  told: 0,
  holds: [],
}
const statusWith = (...facts: readonly PeersFact[]): Status =>
  statusOf({
    ...{ config, pool: createPool(facts), accounts: createAccounts(), version: '1', now, startedAt: now, refusals: {} },
    iso: (moment) => new Date(moment).toISOString(),
  })

t.test('connected peers are a table and nothing else', async (t) => {
  t.equal(
    describePeers(statusWith(fact).peers),
    [
      'PEER  ADDRESS          STATE      SINCE  HOLDS         TOLD  TAKEN',
      'lb2   198.18.0.2:9224  connected  5s     198.18.0.100  12    3',
    ].join('\n'),
  )
  t.match(describePeers(statusWith().peers), /nothing to tell/)
})

t.test('who is missing, why, and what a fail-over would cost stand below, and on the page', async (t) => {
  const warnings = ['listener mysql: only here: <db2>']
  const status = statusWith({
    ...fact,
    trouble: 'cannot listen at 198.18.0.1:9224 (EADDRINUSE)',
    peers: [{ ...peer, warnings, malformed: { 'not-json': 2 } }, lost],
    refused: { 'not-a-peer': 4 },
  })
  const cost =
    'a fail-over now would end 12 sessions older than the last change of servers (not connected: 198.18.0.3:9224)'
  t.same(describePeers(status.peers).split('\n').slice(3), [
    '',
    'cannot listen at 198.18.0.1:9224 (EADDRINUSE)',
    'lb2: listener mysql: only here: <db2>',
    'lb2: not understood: not-json 2',
    '198.18.0.3:9224: the keys differ',
    'connections not taken: not-a-peer 4',
    cost,
  ])
  t.match(status.peers, { fail_over_cost: cost, peers: [{ since: { ago_ms: 5000 } }, { connected: false }] })
  const page = `${peersSection(status, writtenAge, String)?.text}`
  t.match(page, /Other balancers/)
  t.ok(page.includes('only here: &lt;db2&gt;') && page.includes(cost) && page.includes('NOT CONNECTED'))
  t.equal(peersSection(statusWith(), writtenAge, String), null)
})

t.test('who speaks from a link-local address is known by the virtual address that it holds', async (t) => {
  const [lb2, lb3] = [
    { ...peer, address: '[2001:db8::2]:9224', holds: ['2001:db8::100'] },
    { ...peer, name: 'lb3', address: '[2001:db8::3]:9224', holds: [] },
  ]
  const from = (sender: string, peers: PeersFact['peers']): string =>
    senderText({ from: sender, balancer: balancerAt(peers, sender, ['fe80::100', '2001:db8::100']) })
  t.equal(from('fe80::2', [lb2, lb3]), 'lb2 (fe80::2, peer [2001:db8::2]:9224)')
  t.equal(from('2001:db8::3', [lb2, lb3]), 'lb3 (2001:db8::3)')
  t.equal(from('fe80::2', [{ ...lb2, name: null }]), 'fe80::2 (peer [2001:db8::2]:9224)')
  t.equal(from('2001:db8::3', [{ ...lb3, name: null }]), '2001:db8::3')
  t.equal(from('2001:db8::9', [lb2, lb3]), '2001:db8::9', 'a stranger with an address of his own')
  t.equal(from('fe80::2', [lb2, { ...lb3, holds: lb2.holds }]), 'fe80::2', 'two hold it')
  t.equal(from('fe80::2', [{ ...lb2, connected: false }]), 'fe80::2', 'it may be another one since')
})

t.test('the cost is said where somebody is missing who was not told, or nobody is configured', async (t) => {
  t.equal(failOverCost({ exceptions: null, peers: [lost] }), null)
  t.equal(failOverCost({ exceptions: 0, peers: [lost] }), null)
  t.equal(failOverCost({ exceptions: 5, peers: [peer] }), null)
  t.match(failOverCost({ exceptions: 1, peers: [] }), /end 1 session older .*no other balancer is configured in peers/)
})
