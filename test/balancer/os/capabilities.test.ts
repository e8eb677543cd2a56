import t from 'tap'
import { missingFrom } from '../../../balancer/os/capabilities.ts'

t.test('capabilities are read from the effective set', async (t) => {
  const status = (effective: string) => `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nCapBnd:\t0\n`
  t.same(missingFrom(status('000001ffffffffff'), ['net_admin', 'net_raw']), [])
  t.same(missingFrom(status('0000000000003000'), ['net_admin', 'net_raw']), [])
  t.same(missingFrom(status('0000000000002000'), ['net_admin', 'net_raw']), ['net_admin'])
  t.same(missingFrom(status('0000000000001000'), ['net_admin', 'net_raw']), ['net_raw'])
  t.same(missingFrom('', ['net_admin', 'net_raw']), ['net_admin', 'net_raw'])
})
