import t from 'tap'
import type { ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { chooseWriter } from '../../../balancer/pool/core/writer.ts'
import { healthFact } from './health-fact.ts'

type Change = Partial<ServerHealthFact> | null

/** The writer among servers a, b, c … in the order of the file; null is a server that nothing is known of. */
const writer = (changes: readonly Change[], current: string | null = null, failBack = false): string | null => {
  const facts = changes.map((change, i) => (change === null ? undefined : healthFact('abcdef'[i] ?? '', change)))
  const servers = changes.map((change, i) => ({
    name: 'abcdef'[i] ?? '',
    address: { address: '198.18.0.11', port: 3306 },
    weight: 1,
    backup: change?.backup ?? false,
    max_connections: 0,
  }))
  const healthOf = (name: string) => facts['abcdef'.indexOf(name)]
  return chooseWriter({ config: { servers, fail_back: failBack }, healthOf, current })
}

const up = {}
const down = { up: false }
const unknown = { up: false, counters: [null] }

t.test('the first in the file, and the next one when it fails', async (t) => {
  t.equal(writer([up, up, up]), 'a')
  t.equal(writer([down, up, up], 'a'), 'b')
  t.equal(writer([down, down, down], 'a'), null)
})

t.test('no fail-back unless it is asked for', async (t) => {
  t.equal(writer([up, up], 'b'), 'b')
  t.equal(writer([up, up], 'b', true), 'a')
})

t.test('a writer that may take no new sessions is none: drained, in maintenance, weight 0, or 404', async (t) => {
  for (const change of [
    { admin: 'drain' },
    { admin: 'maint', up: false },
    { weight: 0 },
    { draining: true },
  ] as const) {
    t.equal(writer([change, up], 'a'), 'b', JSON.stringify(change))
  }
})

t.test('where agents tell roles only a primary can be it, wherever it stands and whoever was it', async (t) => {
  const replica = { role: 'replica' } as const
  const primary = { role: 'primary' } as const
  t.equal(writer([replica, primary]), 'b')
  t.equal(writer([replica, primary], 'a'), 'b')
  t.equal(writer([replica, replica], 'a'), null, 'nobody writes to a replica')
  t.equal(writer([up, primary], 'a'), 'b', 'a told primary wins over one of unknown role')
  t.equal(writer([primary, primary], 'b'), 'b', 'several primaries, as in Galera: the one it was')
  t.equal(writer([replica, { ...primary, up: false }], 'b'), null)
})

t.test('after a change of the checks the writer stays until all have told their role anew', async (t) => {
  const was = { role: 'primary', roleIsOld: true } as const
  const tells = { role: 'primary', roleIsOld: false } as const
  t.equal(writer([was, up], 'b'), 'b', 'the new check tells no role, and b answered first')
  t.equal(writer([tells, { roleIsOld: true }], 'b'), 'b', 'the new check tells roles, and a answered first')
  t.equal(writer([was, up], 'b', true), 'b')
  t.equal(writer([was, { role: 'replica' }], 'b'), 'a', 'it told that it is none')
  t.equal(writer([was, down], 'b'), 'a')
  t.equal(writer([tells, up], 'b'), 'a', 'all have answered')
  t.equal(writer([tells, { ...down, roleIsOld: true }], 'a', true), 'a', 'who is down is not waited for')
})

t.test('backups last', async (t) => {
  t.equal(writer([{ backup: true }, up]), 'b')
  t.equal(writer([{ backup: true }, down], 'b'), 'a')
  t.equal(writer([{ backup: true }, up], 'a'), 'a', 'no fail-back from a backup either')
  t.equal(writer([{ backup: true }, up], 'a', true), 'b')
})

t.test('nothing is chosen before every server has a result, but a writer stays meanwhile', async (t) => {
  t.equal(writer([unknown, up]), null)
  t.equal(writer([null, up]), null)
  t.equal(writer([unknown, up], 'b'), 'b')
  t.equal(writer([{ ...unknown, admin: 'maint' }, up]), 'b', 'a server in maintenance is not waited for')
})
