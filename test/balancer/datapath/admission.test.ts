import fc from 'fast-check'
import t from 'tap'
import { type Access, createAdmission } from '../../../balancer/datapath/core/admission.ts'

const everyone: Access = { allow: [], deny: [], connection_rate: 0, connection_rate_per_source: 0 }
const net = (address: string, prefixLength: number) => ({ address, prefixLength })

t.test('deny wins over allow, an empty allow is everyone, and families do not meet', async (t) => {
  const cases = [
    { access: everyone, source: '192.0.2.1', denial: null },
    { access: { ...everyone, allow: [net('10.0.0.0', 8)] }, source: '10.9.8.7', denial: null },
    { access: { ...everyone, allow: [net('10.0.0.0', 8)] }, source: '11.0.0.1', denial: 'denied' },
    { access: { ...everyone, allow: [net('10.0.0.0', 8)] }, source: '2001:db8::1', denial: 'denied' },
    { access: { ...everyone, deny: [net('10.0.0.7', 32)] }, source: '10.0.0.7', denial: 'denied' },
    { access: { ...everyone, deny: [net('10.0.0.7', 32)] }, source: '10.0.0.8', denial: null },
    {
      access: { ...everyone, allow: [net('10.0.0.7', 32)], deny: [net('10.0.0.0', 24)] },
      source: '10.0.0.7',
      denial: 'denied',
    },
    { access: { ...everyone, allow: [net('2001:db8::', 32)] }, source: '2001:db8:1::1', denial: null },
  ]
  for (const { access, source, denial } of cases) t.equal(createAdmission(access).admit(source, 0), denial)
})

t.test('a limit for all, and one for each: who is over his own uses up nothing of the other', async (t) => {
  const admission = createAdmission({ ...everyone, connection_rate: 4, connection_rate_per_source: 2 })
  const come = (source: string, at: number): string => admission.admit(source, at) ?? 'in'
  t.same(
    ['a', 'a', 'a', 'a'].map((source) => come(source, 0)),
    ['in', 'in', 'source-rate', 'source-rate'],
  )
  t.same(
    ['b', 'b', 'c'].map((source) => come(source, 0)),
    ['in', 'in', 'rate'],
  )
  t.equal(come('a', 499), 'source-rate')
  t.equal(come('a', 500), 'in', 'half a second brings one of two')
  admission.reconfigure(everyone)
  t.equal(come('a', 500), 'in')
})

t.test('within any time no more get in than the limit, and as many again a second', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 400 }),
      (rate, pauses) => {
        const admission = createAdmission({ ...everyone, connection_rate_per_source: rate })
        let at = 0
        const times = pauses.flatMap((pause) => {
          at += pause
          return admission.admit('192.0.2.1', at) === null ? [at] : []
        })
        for (const [i, begin] of times.entries()) {
          const within = times.slice(i)
          for (const [count, end] of within.entries()) {
            if (count + 1 > rate + ((end - begin) * rate) / 1000 + 1e-6)
              throw new Error(`${count + 1} in ${end - begin} ms`)
          }
        }
        if (times[0] !== pauses[0]) throw new Error('the first was refused')
      },
    ),
  )
  t.pass()
})

t.test('a flood of addresses is no flood of memory, and those from before are limited still', async (t) => {
  const admission = createAdmission({ ...everyone, connection_rate_per_source: 1 })
  for (let i = 0; i < 70_000; i += 1) admission.admit(`${i}`, 0)
  t.equal(admission.admit('69999', 1), null, 'nobody has room to remember it')
  t.equal(admission.admit('5', 2), 'source-rate')
  t.equal(admission.admit('6', 5000), null)
  t.equal(admission.admit('69999', 5000), null)
  t.equal(admission.admit('69999', 5001), 'source-rate', 'old ones were forgotten')
})
