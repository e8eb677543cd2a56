import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { keepStateFile, readStateFile } from '../../../balancer/main/state-file.ts'
import { waitFor } from '../../lab/wait-for.ts'

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
})
