import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readPeersKey } from '../../../balancer/config/peers-key.ts'
import { type Row, testRows } from './impossible.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-peers-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const write = (name: string, content: string | Buffer): string => {
  const file = join(directory, name)
  writeFileSync(file, content, { mode: 0o600 })
  return file
}
const good = write('good', `${randomBytes(48).toString('base64')}\n`)
const fifo = join(directory, 'fifo')
execFileSync('mkfifo', [fifo])

const direct = 'name: mysql\n    datapath: direct\n    check: { type: http, port: 9222 }\n'
/** `peers` behind the last line, which is line 13 then. */
const row = (peers: string, found: readonly string[], listener = direct): Row => ({
  change: [
    ['name: mysql\n', listener],
    ['address: 198.18.0.12:3306 }\n', `address: 198.18.0.12:3306 }\npeers: { ${peers} }\n`],
  ],
  found,
})
const key = `key_file: ${good}`
const at = `${'13:'}`
const columns = (text: string): number => 'peers: { '.length + text.length + 1
const from = `${key}, listen: `
const to = `${from}198.18.0.1:9224, to: [`

const rows: readonly Row[] = [
  row(`${to}198.18.0.2:9224]`, []),
  row(`${to}198.18.0.2:9224, 198.18.0.1:9224]`, []),
  row(
    `${to}198.18.0.2:9224]`,
    [
      'warning 11:8: peers: no listener has datapath: direct: there is nothing to tell other balancers, and nothing is done with this',
    ],
    'name: mysql\n',
  ),
  row(`${to}198.18.0.1:9224]`, [
    `${at}${columns(to) - 1}: peers.to: this is peers.listen, this balancer itself; name the other ones as well`,
  ]),
  row(`${to}198.18.0.2:9224, 198.18.0.2:9224]`, [
    `${at}${columns(`${to}198.18.0.2:9224, `)}: peers.to[1]: found "198.18.0.2:9224"; it stands above already; remove one`,
  ]),
  row(`${to}198.18.0.100:9224]`, [
    `${at}${columns(to)}: peers.to[0]: 198.18.0.100 is a virtual address, and moves from one balancer to another; write an address that the host always has`,
  ]),
  row(`${to}"[2001:db8::2]:9224"]`, [
    `${at}${columns(to)}: peers.to[0]: found "[2001:db8::2]:9224"; connections go there from 198.18.0.1, an address of the other family; write both in one`,
  ]),
  row(`${to}]`, [`${at}${columns(to) - 1}: peers.to: found "a list"; name the other balancers`]),
  row(`${from}198.18.0.1, to: [198.18.0.2:9224]`, [
    `${at}${columns(from)}: peers.listen: found "198.18.0.1"; the port is missing; write it behind the address, such as 198.18.0.1:3306`,
  ]),
  row(`${from}0.0.0.0:9224, to: [198.18.0.2:9224]`, [
    `${at}${columns(from)}: peers.listen: found "0.0.0.0:9224"; 0.0.0.0 is no address that others could know this balancer by; write the address of this host that the others have in their list`,
  ]),
  row(`${from}198.18.0.100:9224, to: [198.18.0.2:9224]`, [
    `${at}${columns(from)}: peers.listen: 198.18.0.100 is a virtual address, and moves from one balancer to another; write an address that the host always has`,
  ]),
  row(`${from}198.18.0.3:9224, to: [198.18.0.2:9224]`, [
    `warning ${at}${columns(from)}: peers.listen: 198.18.0.3 is no address of this host: no other balancer can connect until somebody adds it`,
  ]),
  row(`key_file: /dev/zero, listen: 198.18.0.1:9224, to: [198.18.0.2:9224]`, [
    `${at}20: peers.key_file: /dev/zero is no file; make a key: (umask 077; openssl rand -base64 48 > /dev/zero)`,
  ]),
  row(`key_file: /nowhere/key, listen: 198.18.0.1:9224, to: [198.18.0.2:9224]`, [
    `${at}20: peers.key_file: cannot read /nowhere/key (ENOENT); copy it from another balancer, or make one: (umask 077; openssl rand -base64 48 > /nowhere/key)`,
  ]),
]
t.test('what cannot work with peers is refused, what hardly works is told', async (t) => testRows(t, rows))

t.test('a key is at least 32 random bytes in a file; its line end is not part of it', async (t) => {
  const key = randomBytes(48).toString('base64')
  const [bare, unix, dos] = ['', '\n', '\r\n'].map((end) => readPeersKey(write('key', `${key}${end}`)))
  t.match(bare, { ok: true, warning: undefined })
  t.same([unix, dos], [bare, bare])
  t.not(bare?.ok && Buffer.from(bare.key, 'base64').length, 48, 'it is another one that leaves the file')
  t.notOk(JSON.stringify(bare).includes(key))
  t.match(readPeersKey(write('short', 'a'.repeat(31))), {
    ok: false,
    problem: /holds 31 bytes, and a key has at least 32/,
  })
  t.match(readPeersKey(write('empty', '\n\n')), { ok: false, problem: /holds 0 bytes/ })
  t.match(readPeersKey(write('dull', 'ab'.repeat(20))), { ok: false, problem: /no random key/ })
  t.match(readPeersKey(write('large', randomBytes(1025))), { ok: false, problem: /larger than 1 KiB/ })
  t.match(readPeersKey(fifo), { ok: false, problem: /is no file/ })
  t.match(readPeersKey(directory), { ok: false, problem: /is no file/ })
  const open = write('open', key)
  chmodSync(open, 0o644)
  t.match(readPeersKey(open), { ok: true, warning: /readable by everyone; run: chmod o= / })
})
