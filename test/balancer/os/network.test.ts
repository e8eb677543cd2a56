import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Host } from '../../lab/host.ts'
import { createLab } from '../../lab/lab.ts'
import type { LabProcess } from '../../lab/lab-process.ts'
import { waitFor } from '../../lab/wait-for.ts'

const program = fileURLToPath(new URL('./network-process.js', import.meta.url))
const start = (host: Host, ...words: readonly string[]): LabProcess =>
  host.spawn(`network-${words[0]}`, process.execPath, [program, ...words])
/** What the program printed, as one object. */
const printed = (labProcess: LabProcess): object =>
  Object.assign({}, ...labProcess.lines().map((line): object => JSON.parse(line)))

t.setTimeout(600_000)
const lab = await createLab({ name: 'os' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
const lb2 = await lab.addHost('lb2', '198.18.0.2/24')

t.test('interfaces are found, addresses are leased, prolonged and removed, refusals are values', async (t) => {
  const requests = start(lb1, 'requests')
  t.match(await requests.exited, { code: 0 })
  t.match(printed(requests), {
    found: { ok: true, value: { name: 'eth0', isUp: true, addresses: [{ address: '198.18.0.1', prefixLength: 24 }] } },
    missing: {
      ok: false,
      code: 'ENODEV',
      text: 'cannot look up the interface eth9: there is no such interface (ENODEV)',
    },
    set: { ok: true },
    again: { ok: true },
    listed: { ok: true, value: [{}, { isPermanent: true }, { address: '198.18.0.100', isPermanent: false }] },
    nowhere: { ok: false, code: 'ENODEV' },
    removed: { ok: true },
    removedAgain: { ok: true },
    short: { ok: true },
  })
  t.same(await lb1.addresses(), ['198.18.0.1/24', '198.18.0.100/24'])
  await waitFor('the lease to end by itself', async () => (await lb1.addresses()).length === 1)
})

t.test('addresses that come and go are noticed', async (t) => {
  const watch = start(lb1, 'watch')
  await watch.waitForOutput(/"own":true,"other":false/)
  await lb1.run('ip', ['address', 'add', '198.18.0.100/24', 'dev', 'eth0'])
  await watch.waitForOutput(/{"address":"198.18.0.100","present":true,"has":true}/)
  await lb1.run('ip', ['address', 'add', '198.18.0.100/24', 'dev', 'lo'])
  await lb1.run('ip', ['address', 'del', '198.18.0.100/24', 'dev', 'eth0'])
  await lb1.run('ip', ['link', 'set', 'eth0', 'alias', 'uplink'])
  await watch.waitForOutput(/"link":{"name":"eth0"/)
  t.notMatch(watch.lines().join('\n'), /"present":false/, 'an address that is still on another interface is not gone')
  await lb1.run('ip', ['address', 'del', '198.18.0.100/24', 'dev', 'lo'])
  await watch.waitForOutput(/{"address":"198.18.0.100","present":false,"has":false}/)
  await lb1.run('ip', ['address', 'add', '198.18.0.99/32', 'dev', 'eth0'])
  await watch.waitForOutput(/"198.18.0.99"/)
  await lb1.run('ip', ['address', 'del', '198.18.0.99/32', 'dev', 'eth0'])
  await lb1.run('ip', ['link', 'set', 'eth0', 'alias', 'again'])
  await waitFor('another link event', () => watch.lines().filter((line) => line.includes('link')).length > 1)
  t.notMatch(watch.lines().join('\n'), /198.18.0.99","present":false/, 'a closed watch is silent')
  await watch.stop()
})

t.test('an address on lo, for which nobody is sent here, is not noticed; on the network it is', async (t) => {
  for (const [address, ...hidden] of [
    ['198.18.0.101/32', 'scope', 'host'],
    ['fd00::101/128', 'preferred_lft', '0', 'nodad'],
  ] as const) {
    const [plain = ''] = address.split('/')
    await lb1.run('ip', ['address', 'add', address, 'dev', 'lo', ...hidden])
    const watch = start(lb1, 'watch')
    await watch.waitForOutput(/"own":true,"other":false/)
    const said = (present: boolean) => new RegExp(`{"address":"${plain}","present":${present},"has":${present}}`)
    await lb1.run('ip', ['address', 'add', address, 'dev', 'eth0'])
    await watch.waitForOutput(said(true))
    await lb1.run('ip', ['address', 'del', address, 'dev', 'eth0'])
    await watch.waitForOutput(said(false))
    await lb1.run('ip', ['address', 'del', address, 'dev', 'lo'])
    await lb1.run('ip', ['address', 'add', address, 'dev', 'lo', ...hidden])
    await lb1.run('ip', ['link', 'set', 'eth0', 'alias', plain])
    await waitFor('another event', () => watch.lines().some((line) => line.includes('"link"')))
    t.equal(watch.lines().filter((line) => line.includes(`"${plain}","present":true`)).length, 1)
    await lb1.run('ip', ['address', 'del', address, 'dev', 'lo'])
    await watch.stop()
  }
})

t.test('a watch that the kernel told too much for its socket lists again', async (t) => {
  const watch = start(lb1, 'watch')
  await watch.waitForOutput(/"own":true,"other":false/)
  const many = Array.from({ length: 2000 }, (_, i) => `198.19.${i >> 8}.${i & 255}/32 dev lo`)
  const batch = (verb: string) =>
    lb1.run('ip', ['-batch', '-'], { input: many.map((one) => `address ${verb} ${one}\n`).join('') })
  watch.stall()
  t.match(await batch('add'), { code: 0 })
  watch.resume()
  await watch.waitForOutput(/"198.19.7.207","present":true/)
  watch.stall()
  t.match(await batch('del'), { code: 0 })
  watch.resume()
  await watch.waitForOutput(/"198.19.7.207","present":false/)
  await watch.stop()
})

t.test('sockets send frames and packets, and a late process hears all that waits', async (t) => {
  const gate = join(lab.directory, 'gate')
  t.match(await lb2.run('mkfifo', [gate]), { code: 0 })
  const late = start(lb2, 'sockets', '0', gate)
  await late.waitForOutput(/"ready":true/)
  const sender = start(lb1, 'sockets', '50')
  t.match(await sender.exited, { code: 0 })
  t.match(printed(sender), {
    frame: { ok: true },
    badFrame: { ok: false, code: 'ENXIO', text: 'cannot send an Ethernet frame: ENXIO' },
    closedFrame: { ok: false },
    nowhere: { ok: false, text: /^cannot set up a raw socket on eth9: / },
    sent: { ok: true },
    closed: { ok: false, text: 'raw socket on eth0 is closed' },
  })
  await writeFile(gate, 'go')
  t.match(await late.exited, { code: 0 })
  t.match(printed(late), { heard: 50, inOrder: true })
})
