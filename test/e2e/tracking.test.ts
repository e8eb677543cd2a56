// What a master tracks fails, and where the virtual address is afterwards. One lab for all, in order.

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { agentPort, instanceName } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { buildPair, ofInstance } from './pair.ts'

t.setTimeout(300_000)
const lab = await createLab({ name: 'e2e-tracking' })
t.teardown(() => lab.destroy())
const pair = await buildPair(lab)
const { first, second, untilHeldBy, untilState, show, edit, messages } = pair
const inLab = (name: string): string => join(lab.directory, name)

await t.test('a tracked file with a weight moves the address, and back', async (t) => {
  const path = inLab('load')
  writeFileSync(path, '0\n')
  await edit(first, (document) => {
    document.setIn(['vrrp', 'track_files'], [{ name: 'load', path, weight: 1 }])
    document.setIn(ofInstance('track'), { files: ['load'] })
  })
  writeFileSync(path, '-10\n')
  await untilHeldBy(second)
  const shown = await show(first)
  t.equal(shown.priority, 91)
  t.match(
    shown.priority_parts.map(({ value }) => value).sort((a, b) => a - b),
    [-10, 101],
  )
  t.ok(messages(first).some((msg) => msg.includes('Changing effective priority from 101 to 91')))
  writeFileSync(path, '0\n')
  await untilHeldBy(first)
  t.ok(messages(first).some((msg) => msg.includes('Changing effective priority from 91 to 101')))
})

await t.test('a tracked script without a weight is FAULT while it fails', async (t) => {
  const bad = inLab('bad')
  await edit(first, (document) => {
    const script = { name: 'chk', command: ['/usr/bin/test', '!', '-e', bad], interval: '200ms' }
    document.setIn(['vrrp', 'scripts'], [script])
    document.setIn(ofInstance('track'), { scripts: ['chk'] })
  })
  writeFileSync(bad, '')
  await untilHeldBy(second)
  await untilState(first, 'fault')
  t.ok(messages(first).some((msg) => msg.includes('VRRP_Script(chk) failed (exited with status 1)')))
  rmSync(bad)
  await untilHeldBy(first)
  t.ok(messages(first).some((msg) => msg.includes('VRRP_Script(chk) succeeded')))
})

await t.test('notify scripts run in order, and one that hangs delays no election', async (t) => {
  const told = inLab('told')
  const file = inLab('gate')
  const tell = 'echo "$@" "$BALANCER_NAME" "$BALANCER_STATE" "$BALANCER_PRIORITY" >>"$0"'
  const hangUntilTold = `while ! test -e "$1"; do sleep 0.1; done; echo backup >>"$0"`
  await edit(first, (document) => {
    document.setIn(ofInstance('notify'), {
      backup: ['/bin/sh', '-c', hangUntilTold, told, file],
      any: ['/bin/sh', '-c', tell, told],
      timeout: '1m',
    })
  })
  t.equal((await pair.command(first, 'vrrp', instanceName, 'handover')).code, 0)
  await untilHeldBy(second)
  t.equal((await pair.command(first, 'vrrp', instanceName, 'ready')).code, 0)
  await untilHeldBy(first)
  const lines = (): readonly string[] => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : [])
  t.notOk(
    lines().some((line) => line.includes('MASTER')),
    'the script of the state before still hangs',
  )
  writeFileSync(file, '')
  await waitFor('every script to have run', () => lines().some((line) => line.includes('MASTER')))
  const ofAny = lines().filter((line) => line.startsWith('INSTANCE'))
  t.match(ofAny[0], /^INSTANCE VI_1 BACKUP 101 VI_1 BACKUP 101$/)
  t.match(ofAny.at(-1), /^INSTANCE VI_1 MASTER 101 VI_1 MASTER 101$/)
})

const dropChecks = (ports: string): readonly string[] => [
  'add table inet blind',
  'add chain inet blind out { type filter hook output priority 0; }',
  `add rule inet blind out tcp dport { ${ports} } drop`,
]

await t.test('no server seen by the master only: the one that sees it takes over', async (t) => {
  const blind = async (host: typeof first.host): Promise<void> => {
    for (const line of dropChecks(`${agentPort}`)) {
      const { code, stderr } = await host.run('nft', [line])
      if (code !== 0) throw new Error(stderr)
    }
  }
  await blind(first.host)
  await untilHeldBy(second)
  t.equal((await show(first)).priority, 51)
  await blind(second.host)
  await waitFor('the other one to see none either', async () => (await show(second)).priority === 50)
  const holder = await pair.site.holder()
  t.ok((await holder.status()).vrrp.length, 'the status page answers')
  for (const { host } of [first, second]) await host.run('nft', ['delete table inet blind'])
  await untilHeldBy(first)
})
