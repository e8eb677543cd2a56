// By which slots sessions are found that this host has never seen: those of the moment when another balancer was lost.

import t from 'tap'
import { type TakingListener, watchTakeovers } from '../../../../balancer/datapath/direct/takeover.ts'
import { type SlotTable, slotTable } from '../../../../balancer/pool/core/slot-table.ts'

const servers = ['db1', 'db2']
const tableOf = (...targets: readonly string[]): SlotTable =>
  slotTable(
    'mysql',
    'session',
    servers,
    targets.map((server) => ({ server, weight: 1 })),
  )
const [both, drained] = [tableOf('db1', 'db2'), tableOf('db2')]

const startListener = () => {
  let [now, kept, since]: [SlotTable, SlotTable | undefined, number | null] = [both, undefined, null]
  const listener: TakingListener = {
    config: () => ({ name: 'mysql', bind: [{ address: '198.18.0.100' }] }),
    table: () => now,
    established: () => (kept === now ? undefined : kept),
    establishedSince: () => since,
    keepEstablished: (table) => {
      kept = table
      since = performance.now()
    },
  }
  return { listener, become: (table: SlotTable) => (now = table), kept: () => kept, since: () => since }
}

t.test(
  'without VRRP: the slots of the first loss stay, whatever changes, and a second loss keeps them for longer',
  async (t) => {
    const one = startListener()
    const takeover = watchTakeovers({ listeners: () => [one.listener], isComplete: () => false })
    takeover.peerLost()
    t.equal(one.kept(), both)
    const since = one.since() ?? 0
    one.become(drained)
    takeover.peerLost()
    // Others tell what is elsewhere than either of them says.
    t.equal(one.kept(), both)
    t.ok((one.since() ?? 0) > since)
  },
)

t.test('with VRRP: whoever had lost the address meanwhile has nothing that he took over earlier', async (t) => {
  const one = startListener()
  const takeover = watchTakeovers({ listeners: () => [one.listener], isComplete: () => false })
  takeover.peerLost()
  takeover.addressLeft('198.18.0.100')
  one.become(drained)
  takeover.peerLost()
  t.equal(one.kept(), drained)
})

t.test('an address that came and left again shortly before a loss says nothing of it', async (t) => {
  const one = startListener()
  const takeover = watchTakeovers({ listeners: () => [one.listener], isComplete: () => false })
  one.become(drained)
  takeover.addressCame('198.18.0.100')
  takeover.addressLeft('198.18.0.100')
  one.become(both)
  takeover.peerLost()
  t.equal(one.kept(), both)
})

t.test('an address that comes back is found by the slots of now, although nobody is missed yet', async (t) => {
  const one = startListener()
  const takeover = watchTakeovers({ listeners: () => [one.listener], isComplete: () => true })
  takeover.addressCame('198.18.0.100')
  takeover.peerLost()
  takeover.peerHeard()
  takeover.addressLeft('198.18.0.100')
  one.become(drained)
  takeover.addressCame('198.18.0.100')
  t.equal(one.kept(), drained)
  takeover.peerLost()
  t.equal(one.kept(), drained)
})

t.test('a loss is that of the address which comes then, unless whoever was lost was back meanwhile', async (t) => {
  for (const isBack of [false, true]) {
    const one = startListener()
    let isComplete = false
    const takeover = watchTakeovers({ listeners: () => [one.listener], isComplete: () => isComplete })
    takeover.peerLost()
    isComplete = isBack
    takeover.peerHeard()
    isComplete = false
    one.become(drained)
    takeover.addressCame('198.18.0.100')
    t.equal(one.kept(), isBack ? drained : both)
  }
})

t.test(
  'a balancer that has just started keeps what another one keeps, unless it took somebody over itself',
  async (t) => {
    const [fresh, other] = [startListener(), startListener()]
    for (const { listener } of [fresh, other]) {
      const takeover = watchTakeovers({ listeners: () => [listener], isComplete: () => true })
      if (listener === other.listener) takeover.peerLost()
      takeover.joined([{ table: both, servers }])
      takeover.joined([{ table: both, established: drained, servers }])
    }
    t.equal(fresh.kept(), drained)
    t.equal(other.kept(), both)
  },
)
