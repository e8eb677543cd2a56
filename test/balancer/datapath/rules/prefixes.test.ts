// Access lists as nft keeps them: what is in them is in them, and no two elements overlap or touch.

import { BlockList } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { intervalElements } from '../../../../balancer/datapath/rules/core/prefixes.ts'

t.test('what overlaps or touches is one', async (t) => {
  t.same(intervalElements(['10.0.0.0/9', '10.128.0.0/9', '10.1.2.3']), ['10.0.0.0/8'])
  t.same(intervalElements(['10.0.0.2', '10.0.0.1', '10.0.0.3']), ['10.0.0.1-10.0.0.3'])
  t.same(intervalElements(['2001:db8::1', 'fd00::/8']), ['2001:db8::1', 'fd00::/8'])
  t.same(intervalElements(['0.0.0.0/0', '1.2.3.4/8']), ['0.0.0.0/0'])
})

const block = fc
  .tuple(fc.nat(3), fc.nat(3), fc.integer({ min: 24, max: 32 }))
  .map(([c, d, length]) => `10.0.${c}.${d * 85}/${length}`)

t.test('an address is in the elements when it is in the list', async (t) => {
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 8 }), fc.nat(3), fc.nat(255), (blocks, c, d) => {
      const [wanted, made] = [new BlockList(), new BlockList()]
      for (const one of blocks) wanted.addSubnet(one.split('/')[0] ?? '', Number(one.split('/')[1]))
      for (const element of intervalElements(blocks)) {
        const [first = '', last = first] = element.split('-')
        if (element.includes('/')) made.addSubnet(element.split('/')[0] ?? '', Number(element.split('/')[1]))
        else made.addRange(first, last)
      }
      t.equal(made.check(`10.0.${c}.${d}`), wanted.check(`10.0.${c}.${d}`))
    }),
  )
})
