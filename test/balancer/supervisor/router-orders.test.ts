import t from 'tap'
import type { ProcessRole } from '../../../balancer/supervisor/core/processes.ts'
import type { ToChild } from '../../../balancer/supervisor/messages.ts'
import { createRouterOrders } from '../../../balancer/supervisor/router-orders.ts'

const stage = () => {
  const sent: (readonly [ProcessRole, ToChild])[] = []
  const gone = new Set<ProcessRole>()
  const orders = createRouterOrders((role, message) => {
    if (gone.has(role)) return false
    sent.push([role, message])
    return true
  })
  return { sent, gone, orders }
}
const done = (line: string) => ({ ok: true, lines: [line] })
const ordered = (id: number, instance: string, order: 'handover' | 'ready') =>
  ['vrrp', { type: 'router-order', id, instance, order }] as const
const answered = (id: number, result: object) => ['director', { type: 'router-ordered', id, result }]

t.test('each answer reaches the order it belongs to', async (t) => {
  const { sent, orders } = stage()
  orders.pass('director', 7, 'VI_1', 'handover')
  orders.pass('director', 8, 'VI_2', 'ready')
  t.same(sent.splice(0), [ordered(1, 'VI_1', 'handover'), ordered(2, 'VI_2', 'ready')])
  orders.answer(2, done('two'))
  orders.answer(1, done('one'))
  orders.answer(1, done('again'))
  t.same(sent, [answered(8, done('two')), answered(7, done('one'))])
})

t.test('an asker that was started again is not given the answers of its predecessor', async (t) => {
  const { sent, orders } = stage()
  orders.pass('director', 1, 'VI_1', 'handover')
  orders.died('director')
  orders.pass('director', 1, 'VI_1', 'ready')
  sent.length = 0
  orders.answer(1, { ok: false, lines: ['no other router took over'] })
  orders.answer(2, done('takes part again'))
  t.same(sent, [answered(1, done('takes part again'))])
})

t.test('nobody waits for a vrrp process that is not there', async (t) => {
  const { sent, gone, orders } = stage()
  orders.pass('director', 1, 'VI_1', 'handover')
  orders.died('vrrp')
  gone.add('vrrp')
  orders.pass('director', 2, 'VI_1', 'handover')
  t.match(sent, [
    ordered(1, 'VI_1', 'handover'),
    answered(1, { ok: false, lines: [/the vrrp process died/] }),
    answered(2, { ok: false, lines: [/not running just now/] }),
  ])
})
