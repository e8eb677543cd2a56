import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import t from 'tap'
import { keepStateFile, readStateFile } from '../../../balancer/main/state-file.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.setTimeout(300_000)
const directory = mkdtempSync(join(tmpdir(), 'balancer-state-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const logInto = (lines: string[]) => pino({}, { write: (line: string) => void lines.push(line) })
const pace = { soon: 10, usual: 50 }

t.test('it is written soon after a change, now and then, and at the stop, in one step', async (t) => {
  const path = join(directory, 'below', 'state.json')
  let text = 'one'
  const file = keepStateFile({ path, text: () => text, log: logInto([]), pace })
  file.changed()
  await waitFor('the first text', () => readStateFile(path).text === 'one')
  text = 'two'
  await waitFor('the next by itself', () => readStateFile(path).text === 'two')
  text = 'three'
  await file.stop()
  t.equal(readFileSync(path, 'utf8'), 'three')
  t.same(readdirSync(join(directory, 'below')), ['state.json'], 'no draft is left')
})

t.test('a place that cannot be written is told once, and once when it can be again', async (t) => {
  const blocked = join(directory, 'blocked')
  writeFileSync(blocked, '')
  const path = join(blocked, 'state.json')
  const lines: string[] = []
  let asked = 0
  const text = () => {
    asked += 1
    return 'text'
  }
  const file = keepStateFile({ path, text, log: logInto(lines), pace })
  await waitFor('some tries', () => asked > 3)
  t.equal(lines.length, 1)
  t.match(lines[0], 'cannot be written, and a restart would forget orders')
  rmSync(blocked)
  mkdirSync(blocked)
  await waitFor('it to be written', () => readStateFile(path).text === 'text')
  await file.stop()
  t.equal(lines.length, 2)
  t.match(lines[1], 'is written again')
})

t.test('what is no file is not read, and a missing one is no problem', async (t) => {
  t.same(readStateFile(join(directory, 'none')), { text: null, problem: null })
  t.match(readStateFile(directory), { text: null, problem: 'it is no file' })
  const target = join(directory, 'target')
  writeFileSync(target, 'kept')
  const path = join(directory, 'linked.json')
  symlinkSync(target, `${path}.${process.pid}`)
  const file = keepStateFile({ path, text: () => 'text', log: logInto([]), pace })
  await file.stop()
  t.equal(readFileSync(target, 'utf8'), 'kept', 'a draft that is a link is not followed')
  t.equal(readFileSync(path, 'utf8'), 'text')
})

t.test('pipes in its place and in that of its draft are no files either, and keep nobody waiting', async (t) => {
  const path = join(directory, 'pipe.json')
  execFileSync('mkfifo', [path, `${path}.${process.pid}`])
  t.match(readStateFile(path), { text: null, problem: 'it is no file' })
  const file = keepStateFile({ path, text: () => 'text', log: logInto([]), pace })
  await file.stop()
  t.ok(statSync(path).isFile())
  t.equal(readFileSync(path, 'utf8'), 'text')
})

t.test('drafts of processes that were killed are removed, others stay', async (t) => {
  const below = join(directory, 'drafts')
  mkdirSync(below)
  const dead = spawn('true')
  await once(dead, 'exit')
  const [drafts, others] = [[`s.json.${dead.pid}`], [`s.json.${process.ppid}`, 's.json.bak', `t.json.${dead.pid}`]]
  for (const name of [...drafts, ...others]) writeFileSync(join(below, name), '')
  const file = keepStateFile({ path: join(below, 's.json'), text: () => 'text', log: logInto([]), pace })
  await waitFor('them to be gone', () => !readdirSync(below).includes(drafts[0] ?? ''))
  await file.stop()
  t.same(readdirSync(below).sort(), ['s.json', ...others].sort())
})

t.test(
  'a disk that is full, or only to be read, or of somebody else: said once, and all is well by itself',
  async (t) => {
    const disk = join(directory, 'disk')
    mkdirSync(disk)
    const program = fileURLToPath(new URL('./state-file-process.js', import.meta.url))
    // The director has none of root's powers over files.
    const unprivileged = 'setpriv --bounding-set -all --inh-caps -all'
    const script = `mount -t tmpfs -o size=256k,mode=755 disk "$1"; exec ${unprivileged} "$0" "$2" "$1/state.json" 100000`
    const keeper = spawn('unshare', ['--mount', 'sh', '-ec', script, process.execPath, disk, program])
    t.teardown(() => keeper.kill('SIGKILL'))
    let said = ''
    for (const stream of [keeper.stdout, keeper.stderr]) {
      stream.on('data', (chunk) => {
        said += String(chunk)
      })
    }
    /** As root in its mount namespace. */
    const there = (...command: readonly string[]): void =>
      void execFileSync('nsenter', ['--mount', '--target', `${keeper.pid}`, ...command], { stdio: 'pipe' })
    const names = (): readonly string[] => readdirSync(join(`/proc/${keeper.pid}/root`, disk))
    const lines = (): readonly string[] => said.split('\n').slice(0, -1)
    const isWritten = (): boolean => statSync(join(`/proc/${keeper.pid}/root`, disk, 'state.json')).size === 100_000
    await waitFor('the file', isWritten)
    const troubles = [
      {
        begin: () => there('sh', '-c', `cat /dev/zero > ${disk}/filler || true`),
        end: () => there('rm', `${disk}/filler`),
        why: /ENOSPC: no space left on device/,
        leavesDraft: false,
      },
      {
        begin: () => there('mount', '-o', 'remount,ro', disk),
        end: () => there('mount', '-o', 'remount,rw', disk),
        why: /EROFS: read-only file system/,
        leavesDraft: true,
      },
      {
        begin: () => there('chown', '65534', disk),
        end: () => there('chown', '0', disk),
        why: /EACCES: permission denied.*; its directory has to belong to root"/,
        leavesDraft: true,
      },
    ]
    const hasDraft = (): boolean => names().some((name) => name.startsWith('state.json.'))
    for (const [i, { begin, end, why, leavesDraft }] of troubles.entries()) {
      begin()
      await waitFor(`the trouble ${why}`, () => lines().length === 2 * i + 1)
      t.match(lines().at(-1), why)
      t.match(lines().at(-1), /"level":40.*state\.json cannot be written, and a restart would forget orders/)
      t.ok(isWritten(), 'the file before is whole')
      // Where nothing can be removed, what was half written at that moment stays until the end of it.
      if (!leavesDraft) await waitFor('a moment without a draft', () => !hasDraft())
      end()
      await waitFor('the end of it', () => lines().length === 2 * i + 2)
      t.match(lines().at(-1), /"level":30.*is written again/)
      await waitFor('a moment without a draft', () => !hasDraft())
    }
    keeper.stdin.end()
    await once(keeper, 'exit')
    t.equal(lines().length, 6, said)
    t.notOk(existsSync(join(disk, 'state.json')), 'the disk is gone with it')
  },
)
