import t from 'tap'
import type { SessionList } from '../../../balancer/pool/core/session-list.ts'
import type { ProcessRole } from '../../../balancer/supervisor/core/processes.ts'
import type { ToChild } from '../../../balancer/supervisor/messages.ts'
import { createSessionLists } from '../../../balancer/supervisor/session-lists.ts'
import { listenerOf } from '../datapath/planning.ts'

/** Listeners in user space and in the kernel. */
const stage = (gone: readonly ProcessRole[] = []) => {
  const sent: (readonly [ProcessRole, ToChild])[] = []
  const lists = createSessionLists({
    send: (role, message) => {
      if (gone.includes(role)) return false
      sent.push([role, message])
      return true
    },
    config: () => ({ listeners: [listenerOf({ name: 'rw' }), listenerOf({ name: 'ro', datapath: 'kernel' })] }),
  })
  return { lists, sent, told: () => sent.filter(([role]) => role === 'director').map(([, message]) => message) }
}
const some = (left: number): SessionList => ({ sessions: [], left, troubles: [] })

t.test('every forwarder is asked, and the answers are one', async (t) => {
  const { lists, sent, told } = stage()
  lists.pass('director', 'x')
  t.same(
    sent.map(([role, { type }]) => [role, type]),
    [
      ['proxy', 'list-sessions'],
      ['kernel', 'list-sessions'],
    ],
  )
  lists.answer('proxy', 'x', some(1))
  lists.answer('proxy', 'x', some(100))
  t.same(told(), [], 'one has not answered')
  lists.answer('kernel', 'x', some(2))
  t.same(told(), [{ type: 'session-list', id: 'x', list: some(3) }])
})

t.test('one that is not there or dies is told of, and nobody waits for it', async (t) => {
  const { lists, told } = stage(['kernel'])
  lists.pass('director', 'x')
  lists.died('proxy')
  t.match(told(), [
    { list: { troubles: ['the process kernel is not running just now; try again', /^the process proxy died; /] } },
  ])
})
