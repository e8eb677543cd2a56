import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createLab } from '../../../lab/lab.ts'
import { rulesFor } from './flow-states.ts'

const program = fileURLToPath(new URL('./flow-states-process.js', import.meta.url))

t.setTimeout(600_000)

t.test('the book of flows tells sessions, attempts and ends from what the rules write, packet by packet', async (t) => {
  const lab = await createLab({ name: 'states' })
  t.teardown(() => lab.destroy())
  const host = await lab.addHost('lb', '198.18.0.1/24')
  await host.run('ip', ['link', 'add', 'v0', 'up', 'type', 'veth', 'peer', 'name', 'v1'])
  await host.run('ip', ['link', 'set', 'v1', 'address', '02:00:00:00:00:02', 'up'])
  t.equal((await host.run('nft', ['-f', '-'], { input: rulesFor('v1') })).stderr, '')
  const { stdout, stderr } = await host.run(process.execPath, [program])
  t.equal(stderr, '')
  const lines = stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  const after = (state: string, begun = 0, ...gone: readonly string[]) => ({ state, begun, gone })
  for (const [i, address] of ['198.18.0.200', '2001:2::200'].entries()) {
    const at = i * 20
    const [first, second] = [lines.slice(at, at + 8), lines.slice(at + 8, at + 12)]
    t.same(
      first,
      [
        after('attempt'),
        after('live', 1),
        after('closing', 0, 'closed'),
        after('closing'),
        after('attempt'),
        after('live', 1),
        after('closing', 0, 'closed'),
        after('closing'),
      ],
      `${address}: SYN, ACK, FIN, ACK, SYN, ACK, RST, ACK`,
    )
    t.same(
      second,
      [after('attempt'), after('live', 1), after('attempt', 0, 'reused'), after('attempt')],
      'ACK, ACK, SYN, SYN',
    )
    t.same(lines[at + 12], { live: 200, areBothUsed: true, exceptions: [0, 200, 200] })
    t.same(
      lines.slice(at + 13, at + 16),
      [after('ended', 0, 'ended', 'ended'), after('ended'), after('attempt')],
      'ended by this program: ACK, RST, SYN',
    )
    const none = { state: null, begun: 0, gone: [] }
    t.same(lines.slice(at + 16, at + 19), [none, after('closing'), { counted: 1 }], 'resets of no session here')
    t.same(lines[at + 19], { clients: [{ address, port: 3000 }] })
  }
})
