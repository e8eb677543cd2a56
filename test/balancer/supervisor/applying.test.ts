import t from 'tap'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import { createApplying } from '../../../balancer/supervisor/applying.ts'

const config = balancerSchema.parse({
  router_id: 'lb1',
  listeners: [{ name: 'm', bind: '198.18.0.2:3306', servers: [{ name: 'a', address: '198.18.0.3:3306' }] }],
})

t.test('a process that says nothing is not waited for much longer, and the answer tells what to do', async (t) => {
  const { apply } = createApplying(() => true, [millis(3_600_000), millis(50)])
  const text = 'the process vrrp did not apply it within 0.05 s: it says nothing'
  t.match(await apply('vrrp', config), { ok: false, lines: [new RegExp(`^${text},.* Reload again then$`)] })
})

t.test('one that lives has longer: that a host is overloaded is no reason to refuse', async (t) => {
  const { apply, heard, answer } = createApplying(() => true, [millis(1000), millis(200)])
  const alive = setInterval(() => heard('kernel'), 10)
  t.teardown(() => clearInterval(alive))
  const first = apply('kernel', config)
  setTimeout(() => answer('kernel', 1, { ok: true, lines: ['done'] }), 400)
  t.same(await first, { ok: true, lines: ['done'] })
  const second = apply('kernel', config)
  t.match(await second, { ok: false, lines: [/^the process kernel did not apply it within 1 s: it lives, but/] })
})
