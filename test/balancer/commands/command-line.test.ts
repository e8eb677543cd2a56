import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { version } from '../../../balancer/version.ts'
import { agentProgram as agent, balancerProgram as program } from '../../lab/programs.ts'

t.setTimeout(600_000)
const directory = mkdtempSync(join(tmpdir(), 'command-line-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const write = (instance: string, shared = ''): string => {
  const file = join(directory, 'balancer.yaml')
  const text = `router_id: lb1
vrrp:
  instances:
    - { name: V, interface: eth0, virtual_router_id: 1, priority: 101, virtual_addresses: [198.18.0.100/24]${instance} }${shared}
listeners:
  - { name: mysql, bind: 198.18.0.100:3306, servers: [{ name: db1, address: 198.18.0.11:3306 }] }
`
  writeFileSync(file, text)
  return file
}
const execute = (file: string, words: readonly string[]) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const { NODE_OPTIONS: _, ...env } = process.env
    execFile(file, words, { env }, (error, out, err) => {
      resolve({ code: Number(error?.code ?? 0), out, err })
    })
  })
const run = (...words: readonly string[]) => execute(process.execPath, [program, ...words])

t.test('check tells what each tracked failure leads to, and warns where that is nothing', async (t) => {
  const track = ', track: { interfaces: [{ interface: eth1, weight: -2 }] }, peer: { priority: 90 }'
  const { code, out, err } = await run('check', '--config', write(track))
  t.equal(code, 0)
  t.match(out, /^ {2}V: interface eth0 down: FAULT, gives the address up at once$/m)
  t.match(out, /^ {2}V: no server up: priority 101 -> 51: below the peer's 90: the peer takes over/m)
  t.match(
    err,
    /^warning: V: interface eth1 down: priority 101 -> 99: still above the peer's 90: this failure moves nothing$/m,
  )
  t.notMatch(err, /tracked by no instance/)
})

t.test('check warns of what is described and tracked by nobody', async (t) => {
  const shared = `
  scripts: [{ name: chk, command: [/bin/true] }, { name: used, command: [/bin/true] }]
  track_files: [{ name: f, path: /run/f }]
  track_processes: [{ name: p, process: sshd }]`
  const { code, err } = await run('check', '--config', write(', track: { scripts: [used] }', shared))
  t.equal(code, 0)
  const warnings = err.split('\n').filter((line) => line.includes('tracked by no instance'))
  t.same(
    warnings,
    ['script chk', 'file f', 'process p'].map(
      (thing) => `warning: ${thing} is tracked by no instance: its failure moves nothing`,
    ),
  )
})

t.test('notify --test runs the scripts, and its exit code tells whether all went well', async (t) => {
  const good = await run('notify', '--test', '--config', write(', notify: { any: /bin/true }'))
  t.match(good, { code: 0, out: 'ok      V any /bin/true: exited with status 0\n' })
  const bad = await run('notify', '--test', '--config', write(', notify: { any: /bin/true, fault: /bin/false }'))
  t.match(bad, { code: 1, out: /^FAILED {2}V fault \/bin\/false: exited with status 1$/m })
  t.match(await run('notify', '--test', '--config', write('')), { code: 0, out: /no notification scripts/ })
  t.match(await run('notify', '--config', write('')), { code: 64, err: /notify needs --test/ })
  t.match(await run('check', '--test', '--config', write('')), { code: 64, err: /check has no --test/ })
})

t.test('words that every object knows are no commands, of neither daemon', async (t) => {
  for (const word of ['constructor', '__proto__']) {
    t.match(await run(word), { code: 64, err: `balancer: unknown command ${word}` })
    t.match(await execute(process.execPath, [agent, word]), { code: 64, err: `unknown command ${word}` })
  }
})

t.test('a reader that has seen enough is no failure, a disk that is full is one', async (t) => {
  const file = write(', track: { interfaces: [{ interface: eth1, weight: -2 }] }')
  const shell = (text: string) => execute('/bin/bash', ['-o', 'pipefail', '-c', text])
  for (const [daemon, words, code] of [
    [program, `check --config ${file}`, 0],
    [program, 'dance', 64],
    [agent, '--help', 0],
    [agent, 'dance', 64],
  ] as const) {
    // Nobody reads from the beginning: true ends at once.
    const broken = `(sleep 0.1; exec ${process.execPath} ${daemon} ${words})`
    const said = await shell(code === 0 ? `${broken} | true` : `${broken} 2> >(true)`)
    t.equal(said.code, code, words)
    t.notMatch(said.err, /EPIPE|Error|throw/, words)
  }
  t.match(await shell(`${process.execPath} ${program} --help >/dev/full`), {
    code: 1,
    err: /cannot be written: ENOSPC/,
  })
})

t.test('--version says name and version on its first line, and below it what a report of a fault needs', async (t) => {
  const { code, out } = await run('--version')
  t.equal(code, 0)
  const [first, ...more] = out.trimEnd().split('\n')
  t.equal(first, `balancer ${version}`)
  t.match(more, ['built from  a checkout', `Node        ${process.versions.node} for linux `, 'kernel      Linux '])
})
