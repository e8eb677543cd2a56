import fc from 'fast-check'
import t from 'tap'
import { addressText } from '../../../balancer/core/ip-address.ts'
import {
  clientOfId,
  collectSessions,
  type ListedSession,
  mergeLists,
  sessionId,
} from '../../../balancer/pool/core/session-list.ts'

const session: ListedSession = {
  client: { address: '198.18.1.5', port: 40_112 },
  ...{ listener: 'mysql', bind: null, server: null, acceptedAt: null, isJoined: false, bytesIn: null, bytesOut: null },
}

t.test('the number of a session is its client, whichever way it is read', async (t) => {
  const addresses = fc.oneof(...[4, 16].map((length) => fc.uint8Array({ minLength: length, maxLength: length })))
  fc.assert(
    fc.property(addresses, fc.integer({ min: 1, max: 65_535 }), (bytes, port) => {
      const client = { address: addressText(bytes), port }
      t.same(clientOfId(sessionId(client)), client)
    }),
    { numRuns: 50 },
  )
  for (const wrong of ['', '0x', '0x1', '198.18.1.5:40112', `${sessionId(session.client)}0`, '0xc61201050000']) {
    t.equal(clientOfId(wrong), undefined, wrong)
  }
})

t.test('no process tells more than an answer holds, and the rest is counted', async (t) => {
  const { add, list } = collectSessions()
  for (let i = 0; i < 7000; i += 1) add(() => session)
  const told = list(['late'])
  t.same([told.sessions.length, told.left, told.troubles], [5000, 2000, ['late']])
  t.match(mergeLists([told, told]), { left: 4000, troubles: ['late', 'late'] })
  t.equal(mergeLists([told, told]).sessions.length, 10_000)
})
