// What is to end in the kernel, and what becomes of it when the kernel refuses.

import pino from 'pino'
import t from 'tap'
import type { PlanEffect } from '../../../../balancer/datapath/core/plan.ts'
import { createEndings, type EndingsOptions } from '../../../../balancer/datapath/kernel/endings.ts'
import { endOrdered } from '../../../../balancer/datapath/kernel/ordered-endings.ts'
import type { Flow } from '../../../../balancer/os/conntrack-message.ts'
import { done, type Outcome, refused } from '../../../../balancer/os/outcome.ts'

type Tracker = EndingsOptions['tracker']
type Call = { readonly mark: number; readonly mask: number; readonly begunBefore: number; readonly reason: string }

const [db1, db2] = [0xb1004001, 0xb1004002]
const flowOf = (last: number, sourcePort: number): Flow => ({
  ...{ family: 'ipv4', source: Uint8Array.of(198, 18, 1, last), destination: Uint8Array.of(198, 18, 0, 100) },
  ...{ sourcePort, destinationPort: 3306 },
})
const sessions = [
  { mark: db1, flow: flowOf(5, 1001) },
  { mark: db1, flow: flowOf(6, 1001) },
  { mark: db2, flow: flowOf(5, 1002) },
]

/** Deletes what is meant of `sessions`, but refuses as often as told, each time when it has ended one session. */
const stage = (refusals: number, retries: readonly number[] = [1, 1]) => {
  const calls: Call[] = []
  const errors: string[] = []
  const left = new Set(sessions)
  let refusing = refusals
  const endSessions: Tracker['endSessions'] = async (ending, reason, only = () => true, onEnded) => {
    calls.push({ ...ending, mark: ending.value, reason })
    let count = 0
    for (const one of left) {
      if ((one.mark & ending.mask) >>> 0 !== ending.value || !only(one.flow)) continue
      if (refusing > 0 && count > 0) break
      left.delete(one)
      count += 1
      onEnded?.(one.mark)
    }
    refusing -= 1
    return refusing >= 0 ? refused('ENOBUFS', 'no memory') : { ok: true, value: count }
  }
  const log = pino({}, { write: (line) => void errors.push(JSON.parse(line).msg) })
  const tracker: Tracker = { endAttempts: (): Outcome<number> => ({ ok: true, value: 0 }), endSessions }
  const endings = createEndings({ tracker, change: async () => done, onEnded: () => {}, log, retries })
  const listeners: Parameters<typeof endOrdered>[1] = {
    all: () => [],
    namesOf: (mark) => ({ listener: 'mysql', server: mark === db1 ? 'db1' : 'db2' }),
  }
  const end = (port: number | null) => endOrdered({ by: 'client', address: '198.18.1.5', port }, listeners, endings)
  return { calls, errors, left, endings, end }
}
const ending = (begunBefore: number): PlanEffect => ({
  ...{ id: 1, server: 'db1', address: { address: '198.18.0.11', port: 3306 } },
  ...{ effect: 'end-sessions', reason: 'server-down', begunBefore },
})

t.test('what the kernel refuses is tried again, and spares what has begun since', async (t) => {
  const { calls, errors, left, endings } = stage(1)
  const before = performance.now()
  endings.carryOut([
    { mark: db1, effect: ending(Number.POSITIVE_INFINITY) },
    { mark: db2, effect: ending(7) },
  ])
  await endings.done()
  t.match(
    calls.map(({ mark, reason }) => [mark, reason]),
    [db1, db2, db1].map((mark) => [mark, 'server-down']),
    'one that works is not done twice',
  )
  const [first, other, again] = calls.map(({ begunBefore }) => begunBefore)
  t.same([first, other], [Number.POSITIVE_INFINITY, 8])
  t.ok(again !== undefined && again >= before && again <= performance.now() + 1, `${again}`)
  t.same([left.size, errors], [0, []])
})

t.test('what the kernel refuses each time is told', async (t) => {
  const { calls, errors, endings } = stage(99)
  endings.endListener(db1)
  await endings.done()
  t.equal(calls.length, 3)
  t.same(errors, ['Sessions that should have ended go on: no memory'])
})

t.test('an order about a client ends what it has on any server', async (t) => {
  const { end, left, calls } = stage(0)
  const places = (...servers: readonly string[]) =>
    servers.map((server) => ({ listener: 'mysql', server, sessions: 1 }))
  t.same(await end(1002), { ended: places('db2'), troubles: [] }, 'by its port')
  t.same(await end(null), { ended: places('db1'), troubles: [] })
  t.same(await end(null), { ended: [], troubles: [] })
  t.same([...left], [sessions[1]], 'another client goes on')
  t.match(calls[0], { mark: 0xb1000000, mask: 0xff000000, reason: 'ordered' })
})

t.test('what an order has ended is counted, whatever the kernel refuses', async (t) => {
  const again = await stage(1).end(null)
  t.same(
    again.ended.map(({ sessions: count }) => count),
    [1, 1],
  )
  t.same(again.troubles, [])
  const never = await stage(99, []).end(null)
  t.same(never.ended, [{ listener: 'mysql', server: 'db1', sessions: 1 }])
  t.same(never.troubles, ['of those that the kernel forwards some may go on: no memory'])
})
