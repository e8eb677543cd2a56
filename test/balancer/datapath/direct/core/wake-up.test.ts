// Whom the two sides of an ended session hear, and by which way.

import t from 'tap'
import { addressText } from '../../../../../balancer/core/ip-address.ts'
import { wakeUp, wakeUpKey } from '../../../../../balancer/datapath/direct/core/wake-up.ts'
import type { ForgedSyn } from '../../../../../balancer/datapath/resets/core/forged-syn.ts'

const bind = { address: '198.18.0.100', port: 3366 }
const client = { address: '198.18.0.20', port: 40_000 }
const server = { address: '198.18.0.11', port: 3306, path: null, from: '02:00:00:00:00:02' }
const ends = (syn: ForgedSyn | null): string =>
  syn === null
    ? ''
    : `${addressText(syn.source)}:${syn.sourcePort} ${addressText(syn.destination)}:${syn.destinationPort}`

t.test('the client hears the bind, as an answer to what it once asked', async (t) => {
  const { toClient, toServer, key } = wakeUp(bind, client, undefined)
  t.equal(ends(toClient), '198.18.0.100:3366 198.18.0.20:40000')
  t.equal(toClient.isAnswer, true)
  t.equal(toServer, null)
  t.same(key, wakeUpKey(bind, client))
  t.notSame(key, wakeUpKey({ ...bind, port: 3306 }, client), 'it may have a session at another bind')
  t.notSame(key, wakeUpKey(bind, { ...client, port: 40_001 }))
})

t.test('the server hears the client: as a frame where it is a neighbour', async (t) => {
  const path = { kind: 'link' as const, device: 'eth1', mac: '02:00:00:00:00:0b' }
  const { toServer } = wakeUp(bind, client, { ...server, path })
  t.equal(ends(toServer), '198.18.0.20:40000 198.18.0.100:3366')
  t.notOk(toServer?.isAnswer)
  t.same(toServer?.link, {
    device: 'eth1',
    from: Uint8Array.of(2, 0, 0, 0, 0, 2),
    to: Uint8Array.of(2, 0, 0, 0, 0, 11),
  })
  t.equal(wakeUp(bind, client, { ...server, path, from: null }).toServer, null, 'that device is gone')
})

t.test('on this host it goes the way of its sessions', async (t) => {
  const here = { ...server, path: { kind: 'here' as const } }
  const redirected = wakeUp(bind, client, here).toServer
  t.equal(ends(redirected), '198.18.0.20:40000 198.18.0.100:3366')
  t.equal(redirected?.isTracked, true)
  const plain = wakeUp({ ...bind, port: 3306 }, client, here).toServer
  t.equal(ends(plain), '198.18.0.20:40000 198.18.0.100:3306')
  t.equal(plain?.isTracked, false)
  t.equal(plain?.link, undefined)
})
