// Option files are read as the clients of each version read them: their own reader is the judge.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parseOptionFile } from '../../agent/config/core/option-file.ts'
import { run } from '../lab/command.ts'
import { createLab } from '../lab/lab.ts'
import { runInside } from '../lab/server-root.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'options' })
t.teardown(lab.destroy)
const file = join(lab.directory, 'my.cnf')
const groups = ['client', 'client-server', 'client-mariadb', 'mysqlchk-agent']
const command = ['my_print_defaults', `--defaults-file=${file}`]

const judges = {
  MySQL: () => runInside(lab, 'mysql', [...command, '--show', ...groups]),
  'MariaDB 11.8': () => runInside(lab, 'mariadb', [...command, ...groups]),
  'MariaDB of this machine': () => run('my_print_defaults', [...command.slice(1), ...groups]),
}

/** The last word on each option, as `--name=value`; null where the reader refuses the file. */
const theirs = async (judge: () => ReturnType<typeof run>, text: string): Promise<Map<string, string> | null> => {
  writeFileSync(file, text)
  const { code, stdout } = await judge()
  if (code !== 0) return null
  const said = stdout.split('\n').flatMap((line) => {
    const [, name, value] = /^--(\w+)=(.*)$/.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name, value] as const]
  })
  return new Map(said)
}

const section = fc.constantFrom(
  '[client]',
  '[Client]',
  '[CLIENT-Server]',
  ' [client] # x',
  '[client ]',
  '[ client]',
  '[mysql]',
)
const value = fc.string({ unit: fc.constantFrom(...`ab"'\\#;= \tsz[]!é`), minLength: 1, maxLength: 10 })
const option = fc
  .tuple(fc.constantFrom('user', 'password', 'socket', 'host'), fc.constantFrom('=', ' = ', '=\t'), value)
  .map((parts) => parts.join(''))
const lines = fc.array(fc.oneof(section, option, option, fc.constantFrom('', '# user=c', '; user=c', '[client')), {
  maxLength: 12,
})

for (const [name, judge] of Object.entries(judges)) {
  t.test(`${name} takes the same lines of the same sections, and refuses the same files`, async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(section, lines), { minLength: 1, maxLength: 3 }), async (parts) => {
        const text = `${parts.map(([head, body]) => [head, ...body].join('\n')).join('\n')}\n`
        const [judged, ours] = [await theirs(judge, text), parseOptionFile(text)]
        if (judged === null) return ours.unsafe.length > 0
        return (
          ours.unsafe.length === 0 &&
          (['user', 'password', 'socket', 'host'] as const).every(
            (key) => (ours[key] ?? '') === (judged.get(key) ?? ''),
          )
        )
      }),
      { numRuns: 100 },
    )
    for (const text of ['\uFEFF[client]\nuser=x\n', 'user=x\n[client]\n', '[client\nuser=x\n']) {
      t.equal(await theirs(judge, text), null)
      t.not(parseOptionFile(text).unsafe.length, 0, text)
    }
  })
}
