// Whatever stands where the force-fail file is looked for takes the node out; only its text may be missing.

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fail, pass } from '../../agent/commands/force.ts'
import { millis } from '../../agent/core/time.ts'
import { lookForForceFail } from '../../agent/force-fail.ts'
import { mustRun } from '../lab/command.ts'

const directory = t.testdir()
const path = join(directory, 'proxyoff')
const itself = `${path} exists`

t.test('a file, a directory, a pipe, a link to nowhere and a gigabyte all count', async (t) => {
  t.equal(lookForForceFail(path), null)
  const table: readonly [string, () => unknown, string | RegExp][] = [
    ['a text', () => writeFileSync(path, 'new disk\nand more\n'), 'new disk and more'],
    ['nothing', () => writeFileSync(path, ''), itself],
    ['bytes', () => writeFileSync(path, Buffer.of(0, 1, 2, 255, 254, 27, 91, 10)), /^[^\p{Cc}]+$/u],
    ['a directory', () => mkdirSync(path), itself],
    ['a pipe', () => mustRun('mkfifo', [path]), itself],
    ['a link to nowhere', () => symlinkSync('/nowhere', path), itself],
    ['a link to itself', () => symlinkSync(path, path), itself],
    ['a gigabyte', () => mustRun('truncate', ['-s', '1G', path]), itself],
  ]
  for (const [what, make, text] of table) {
    await make()
    t.match(lookForForceFail(path), text, what)
    rmSync(path, { recursive: true })
    t.equal(lookForForceFail(path), null)
  }
})

t.test('a reason of any length does not keep the end from coming', async (t) => {
  t.equal(await fail(path, 'x'.repeat(5000), millis(1)), 0)
  t.equal(await fail(path, 'x'.repeat(5000), millis(3_600_000)), 0)
  t.match(lookForForceFail(path), /^x{199}… \(until 2\d{3}-.*Z\)$/)
  t.equal(await fail(path, 'until: 2020-01-01T00:00:00Z', null), 0)
  t.equal(lookForForceFail(path), '"until: 2020-01-01T00:00:00Z"', 'a reason that reads like an end is none')
  t.equal(await pass(path), 0)
  t.equal(lookForForceFail(path), null)
})
