import t, { type Test } from 'tap'
import type { DrainingFact } from '../../../balancer/pool/core/facts.ts'
import type { SessionsEnded } from '../../../balancer/pool/core/session-order.ts'
import type { ProcessRole } from '../../../balancer/supervisor/core/processes.ts'
import type { ToChild } from '../../../balancer/supervisor/messages.ts'
import { createSessionOrders } from '../../../balancer/supervisor/session-orders.ts'
import type { SuccessionMessage } from '../../../balancer/supervisor/succession-messages.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { listenerOf } from '../datapath/planning.ts'

const draining: DrainingFact = {
  ...{ fact: 'draining', worker: 4711, version: '0.9.0', since: 0, until: 9, isOver: false },
  listeners: [],
}
const ofClient = { by: 'client', address: '198.18.1.5', port: null } as const
const ofServer = (listener: string) => ({ by: 'server', listener, server: 'a' }) as const
const ended = (sessions: number): SessionsEnded => ({
  ended: [{ listener: 'rw', server: 'a', sessions }],
  troubles: [],
})

/** Listeners `rw` in user space and `ro` in the kernel; an answer to the director is kept, by its number. */
const stage = (t: Test, { workers = [] as readonly DrainingFact[], limit = 60_000 } = {}) => {
  const sent: (readonly [ProcessRole, ToChild])[] = []
  const posted: SuccessionMessage[] = []
  const gone = new Set<ProcessRole>()
  let obstacle: string | null = null
  const orders = createSessionOrders({
    send: (role, message) => {
      if (gone.has(role)) return false
      sent.push([role, message])
      return true
    },
    post: (message) => posted.push(message),
    config: () => ({ listeners: [listenerOf({ name: 'rw' }), listenerOf({ name: 'ro', datapath: 'kernel' })] }),
    draining: () => workers,
    obstacle: () => obstacle,
    limit,
  })
  t.teardown(() => {
    for (const role of ['proxy', 'kernel'] as const) orders.died(role)
    for (const { worker } of workers) orders.drained(worker)
  })
  const asked = () => sent.flatMap(([role, message]) => (message.type === 'end-sessions' ? [role] : []))
  const answers = () => sent.flatMap(([, message]) => (message.type === 'session-ordered' ? [message.result] : []))
  return {
    ...{ orders, sent, posted, gone, asked, answers },
    obstruct: (why: string) => {
      obstacle = why
    },
  }
}

t.test('a client is looked for by every forwarder, and in programs before; the answer is one', async (t) => {
  const { orders, posted, asked, answers } = stage(t, { workers: [draining] })
  orders.pass('director', 'x', ofClient)
  t.same(asked(), ['proxy', 'kernel'])
  t.match(posted, [{ type: 'end-sessions', id: 'x', end: ofClient }])
  orders.answer('kernel', 'x', ended(1))
  orders.answer('kernel', 'x', ended(100))
  orders.answer('proxy', 'x', { ended: [], troubles: [] })
  t.same(answers(), [], 'somebody has not answered')
  orders.answer(4711, 'x', ended(2))
  orders.answer(4711, 'y', ended(100))
  t.same(answers(), [ended(3)])
})

t.test('a server is a matter of the process that forwards its listener; without such a listener of all', async (t) => {
  const { orders, asked } = stage(t)
  orders.pass('director', '1', ofServer('ro'))
  orders.pass('director', '2', ofServer('rw'))
  t.same(asked(), ['kernel', 'proxy'])
  orders.pass('director', '3', ofServer('gone'))
  t.same(asked().slice(2), ['proxy', 'kernel'])
})

t.test('who is not there, dies or says nothing is named, beside what has ended', async (t) => {
  const { orders, gone, answers } = stage(t, { workers: [draining], limit: 1 })
  gone.add('kernel')
  orders.pass('director', '1', ofClient)
  orders.answer('proxy', '1', ended(2))
  await waitFor('an answer', () => answers().length === 1)
  const [first] = answers()
  t.same(first?.ended, ended(2).ended)
  t.match(first?.troubles, [
    /^the process kernel is not running just now; try again/,
    /^process 4711 of version 0\.9\.0, which is draining, has not answered within 0\.001 s/,
  ])
})

t.test('a process that dies meanwhile, and a worker that has ended, are not waited for', async (t) => {
  const { orders, answers } = stage(t, { workers: [draining] })
  orders.pass('director', '1', ofClient)
  orders.answer('proxy', '1', ended(2))
  orders.drained(4711)
  orders.died('kernel')
  t.match(answers(), [{ ...ended(2), troubles: [/^the process kernel died; look with show sessions/] }])
})

t.test('nobody is asked where it cannot be carried out just now', async (t) => {
  const { orders, obstruct, asked, answers } = stage(t)
  obstruct('a reload is under way')
  orders.pass('director', '1', ofClient)
  t.same([asked(), answers()], [[], [{ ended: [], troubles: ['a reload is under way'] }]])
})
