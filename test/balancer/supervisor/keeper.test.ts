import t from 'tap'
import type { ListenerFact } from '../../../balancer/pool/core/facts.ts'
import type { SupervisedProcess } from '../../../balancer/supervisor/child-process.ts'
import { keepSessions } from '../../../balancer/supervisor/keeper.ts'
import type { ToChild } from '../../../balancer/supervisor/messages.ts'
import type { SuccessionMessage } from '../../../balancer/supervisor/succession-messages.ts'
import { listenerFact } from '../pool/listener-fact.ts'

const told = (listener: string, datapath: ListenerFact['datapath'], sessions: number | null): ListenerFact =>
  listenerFact({ listener, datapath, sessions })

t.test('sessions that live in the old process are kept, those of the kernel are none of its', async (t) => {
  let retired = (): void => {}
  const sent: ToChild[] = []
  let isThere = true
  const worker: SupervisedProcess = {
    send: (message) => {
      if (isThere) sent.push(message)
      return isThere
    },
    pid: () => 4711,
    letDie: () => {},
    retire: () =>
      new Promise((resolve) => {
        retired = resolve
      }),
    stop: async () => true,
  }
  const posted: SuccessionMessage[] = []
  const known = [told('rw', 'userspace', 2), told('ro', 'kernel', 5), told('rest', 'userspace', null)]
  const kept = keepSessions({ worker, known, until: 9, post: (message) => posted.push(message) })
  t.equal(kept.sessions(), 2)
  t.match(posted, [{ fact: { worker: 4711, isOver: false, listeners: [{ listener: 'rw', sessions: 2 }] } }])
  const [end, none] = [{ by: 'client', address: '198.18.1.5', port: null } as const, { ended: [], troubles: [] }]
  kept.told({ type: 'end-sessions', id: 'x', end })
  t.same(sent, [{ type: 'end-sessions', id: 'x', end }])
  const result = { ended: [{ listener: 'rw', server: 'a', sessions: 2 }], troubles: [] }
  kept.ended('x', result)
  t.same(posted.at(-1), { type: 'sessions-ended', id: 'x', worker: 4711, result })
  isThere = false
  kept.told({ type: 'end-sessions', id: 'y', end })
  t.same(
    posted.at(-1),
    { type: 'sessions-ended', id: 'y', worker: 4711, result: none },
    'they ended with their process',
  )
  kept.heard(told('ro', 'kernel', 7))
  kept.heard(told('rw', 'userspace', 0))
  t.equal(kept.sessions(), 0)
  retired()
  await kept.over
  t.match(posted.at(-1), { fact: { isOver: true, listeners: [] } })
})

t.test('where no process held any, nothing is left to keep', async (t) => {
  const posted: SuccessionMessage[] = []
  const known = [told('ro', 'kernel', 5)]
  const kept = keepSessions({ worker: undefined, known, until: 9, post: (message) => posted.push(message) })
  t.equal(kept.sessions(), 0)
  await kept.over
  t.same(posted, [], 'there is nothing to tell')
})
