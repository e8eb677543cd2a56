// What the agent tells of direct return, from what was written down and what it sees itself.

import t from 'tap'
import { linesFor, readTable, tableOf } from '../../../agent/direct-return/core/rules.ts'
import {
  keeperIn,
  outlivesFailedLook,
  parseStanding,
  type Seen,
  type Standing,
  standingText,
  toldOf,
} from '../../../agent/direct-return/core/standing.ts'
import { statusText } from '../../../agent/direct-return/core/status-text.ts'
import { directReturnMember, directReturnWarning } from '../../../agent/direct-return/core/told.ts'

const entry = { address: '198.18.0.100', port: 3366, serverPort: 3306 }
const standing: Standing = {
  version: 1,
  network: 'net:[1]',
  keeper: 77,
  at_ms: 100_000,
  entries: [{ address: entry.address, port: entry.port, missing: [], sent: { packets: 3, bytes: 4_200_000 } }],
}
const commands = { prepare: 'systemctl enable --now it', revive: 'systemctl restart it' }
const told = (change: Partial<Seen> = {}) =>
  toldOf(
    entry,
    { standing, network: 'net:[1]', nowMillis: 101_000, loopback: ['127.0.0.1', entry.address], ...change },
    commands,
  )

t.test('an entry is ready where the one who keeps it says so and the address is seen', async (t) => {
  t.same(told(), { missing: [], bytesOut: 4_200_000 })
  t.same(told({ loopback: ['127.0.0.1'] }).missing, ['198.18.0.100 is not on lo'])
})

t.test('what is not known is not ready, and the command is told', async (t) => {
  t.match(told({ standing: null }).missing, [/nothing is prepared here; run systemctl enable --now it/])
  t.match(told({ nowMillis: 131_000 }).missing, [/nobody has looked after it for 31 s; run systemctl restart it/])
  t.match(told({ nowMillis: 1000 }).missing, [/since the start of this host/], 'a file from before a reboot')
  t.match(told({ network: 'net:[2]' }).missing, [/another network namespace/])
  t.match(told({ standing: { ...standing, entries: [] } }).missing, [/before this entry was written/])
  t.same(told({ nowMillis: 129_000 }).missing, [], 'a pause of its keeper is no news')
})

t.test('what was put in place once and by hand stays ready, without counts', async (t) => {
  const once = { ...standing, keeper: null }
  t.same(told({ standing: once, nowMillis: 9_000_000 }), { missing: [], bytesOut: null })
  t.equal(keeperIn(once, 101_000), null)
  t.equal(keeperIn(standing, 101_000), 77)
  t.equal(keeperIn(standing, 131_000), null)
})

t.test('a look that failed does not undo what was seen before, for a while', async (t) => {
  t.ok(outlivesFailedLook(standing, 129_000))
  t.notOk(outlivesFailedLook(standing, 131_000))
  t.notOk(outlivesFailedLook(null, 0))
  t.notOk(outlivesFailedLook({ ...standing, keeper: null }, 101_000))
  const [first] = standing.entries
  const lacking = { ...standing, entries: first === undefined ? [] : [{ ...first, missing: ['rules'] }] }
  t.notOk(outlivesFailedLook(lacking, 101_000), 'what was missing is missing')
  t.same(told({ loopback: null }).missing, [], 'nor does the agent, where it cannot look')
})

t.test('a file is read as it was written, and nonsense is none', async (t) => {
  t.same(parseStanding(standingText(standing)), standing)
  for (const text of ['', '{"version":1}', '[]']) t.equal(parseStanding(text), null)
})

t.test('the report has every entry, within bounds, and one warning', async (t) => {
  t.same(directReturnMember([], 5), {})
  t.same(directReturnWarning([{ ...entry, ...told() }]), [])
  const lacking = { ...entry, missing: Array.from({ length: 9 }, (_, i) => `${i}`.repeat(300)), bytesOut: null }
  const [member] = directReturnMember([lacking], 5).direct_return ?? []
  t.match(member, { address: '198.18.0.100', port: 3366, ready: false, bytes_out: null, connections: 5 })
  t.equal(member?.missing.length, 3)
  t.ok(JSON.stringify(directReturnMember(Array(16).fill(lacking), 5)).length < 12_000)
  const [warning = ''] = directReturnWarning([lacking, lacking])
  t.match(warning, /^not prepared for direct return: 198\.18\.0\.100:3366 \(and 1 more\): 0000/)
  t.ok(warning.length <= 256)
})

t.test('the table of status tells what is missing below each line, and what to run', async (t) => {
  const show = { prepare: 'systemctl enable --now it', up: 'mysqlchk-agent direct-return up' }
  const six = { address: 'fd00::7', port: 3306, serverPort: 3306 }
  const all = [...standing.entries, { address: 'fd00::7', port: 3306, missing: ['fd00::7 is not on lo'], sent: null }]
  const text = (keeper: number | null) =>
    statusText({
      entries: [entry, six],
      standing: { ...standing, entries: all },
      keeper,
      commands: show,
      notes: ['A note.'],
    })
  t.equal(
    text(null),
    `LISTENER           STATE      SERVER PORT  SENT
198.18.0.100:3366  ready      3306         4.2 MB in 3 packets
[fd00::7]:3306     NOT READY  3306         not known
  missing: fd00::7 is not on lo

Nobody repairs it when somebody takes it away. For good: systemctl enable --now it
Now, once: mysqlchk-agent direct-return up
A note.
`,
  )
  t.match(text(77), /\nProcess 77 looks after it and repairs it\.\nA note\.\n$/)
})

t.test('a table without our mark is foreign, and one of another form is replaced', async (t) => {
  const listed = (...items: readonly object[]) => readTable(JSON.stringify({ nftables: [{ metainfo: {} }, ...items] }))
  t.same(readTable(''), { is: 'none' })
  t.same(listed({ set: { name: 'mine' } }), { is: 'foreign' })
  t.match(listed({ set: { name: 'mysqlchk_agent_99' } }), { is: 'ours', lines: ['mysqlchk_agent_99'] })
  t.not(linesFor([])[0], 'mysqlchk_agent_99')
  t.match(readTable('nonsense'), { is: 'unknown' })
  t.same([tableOf('agent'), tableOf('db-3307')], ['mysqlchk_direct_return', 'mysqlchk_direct_return_db_3307'])
})
