// What `balancer check` finds in small changes of a sound configuration. haproxy -c and keepalived -t take nearly all of them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../balancer/config/load.ts'
import type { HostNetwork } from '../../../balancer/os/host-network.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-impossible-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const sound = `router_id: lb1
vrrp:
  instances:
    - { name: V, interface: eth0, virtual_router_id: 1, virtual_addresses: [198.18.0.100/24] }
listeners:
  - name: mysql
    bind: 198.18.0.100:3306
    servers:
      - { name: db1, address: 198.18.0.11:3306 }
      - { name: db2, address: 198.18.0.12:3306 }
`
const host: HostNetwork = {
  interfaces: new Set(['lo', 'eth0', 'eth1']),
  addresses: [
    { device: 'lo', address: '127.0.0.1', prefixLength: 8 },
    { device: 'eth0', address: '198.18.0.1', prefixLength: 24 },
  ],
}

const findingsIn = (text: string): readonly string[] => {
  const file = join(directory, 'balancer.yaml')
  writeFileSync(file, text, { mode: 0o640 })
  const loaded = loadConfig(file, host)
  const lines = loaded.ok ? loaded.warnings.map((line) => `warning ${line}`) : loaded.problems
  return lines.map((line) => line.replace(`${file}:`, ''))
}

/** A change of `sound`, and what is found in it then: errors as they are, warnings with the word before. */
export type Row = {
  readonly change: readonly (readonly [string | RegExp, string])[]
  readonly found: readonly string[]
}

/** A test for each row. */
export const testRows = async (test: Pick<typeof t, 'same' | 'not'>, rows: readonly Row[]): Promise<void> => {
  test.same(findingsIn(sound), [], 'the configuration that is changed')
  for (const { change, found } of rows) {
    const text = change.reduce((before, [from, to]) => before.replace(from, to), sound)
    const name = change.map(([, to]) => to.trim()).join(', ')
    test.not(text, sound, name)
    test.same(findingsIn(text), found, name)
  }
}
