import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { statusJsonSchema } from '../../../../../balancer/admin/core/model/status-json-schema.ts'
import { schemaVersion, statusSchema } from '../../../../../balancer/admin/core/model/status-schema.ts'
import { root } from '../../../../packaging/keys.ts'
import { membersOf, problemsBy, published } from '../../../../packaging/published.ts'
import { beginning, eventful, quiet, statusAfter } from './status-scenes.ts'

const members = membersOf(published('balancer-status'))
const problems = problemsBy('balancer-status')
const written = (document: unknown): unknown => JSON.parse(JSON.stringify(document))
const documents = [beginning(), statusAfter(quiet), statusAfter(eventful)].map(written)

t.test('what a balancer says is what the published schema says, at its start and when all has happened', async (t) => {
  for (const document of documents) {
    t.same(problems(document), [])
    // Whoever reads it by the schema of the sources loses nothing.
    t.same(statusSchema.parse(document), document)
  }
  const [first] = documents
  t.match(problems({ ...Object(first), more: 1 }), [/more/], 'the test takes no more members')
  t.match(problems({ ...Object(first), vrrp: [{}] }).length, /\d\d/, 'and no fewer')
  t.ok(statusSchema.safeParse({ ...Object(first), more: 1 }).success, 'those who read it do')
})

/** The values at a path of a document: `listeners[].name`. */
const valuesAt = (document: unknown, path: string): readonly unknown[] =>
  path.split('.').reduce<readonly unknown[]>(
    (values, step) => {
      const [, key = '', lists = ''] = /^(.*?)((?:\[\])*)$/.exec(step) ?? []
      const found = values.flatMap((value) => (value == null ? [] : [Reflect.get(Object(value), key)]))
      return lists === '' ? found : found.flat()
    },
    [document],
  )

t.test('they show every member, and every one that may be null both ways', async (t) => {
  const missing = members.flatMap(({ path, type }) => {
    const seen = documents.flatMap((document) => valuesAt(document, path)).filter((value) => value !== undefined)
    return [
      ...(seen.some((value) => value !== null) ? [] : [`${path} is told by none`]),
      ...(type.includes('null') && !seen.includes(null) ? [`${path} is null in none`] : []),
    ]
  })
  t.same(missing, [])
})

t.test('every member has words, with its unit, and with when it is null', async (t) => {
  t.ok(members.length > 150, `${members.length}`)
  const bad = members.flatMap(({ path, type, words }) => [
    ...(words.length < 3 ? [`${path} has no words`] : []),
    ...(type.includes('null') === /; null /.test(words) ? [] : [`${path}: ${type}, but: ${words}`]),
    ...(/_ms$/.test(path) && !words.includes('milliseconds') ? [`${path} has no unit`] : []),
    ...(/bytes_/.test(path) && !words.includes('bytes') ? [`${path} has no unit`] : []),
  ])
  t.same(bad, [])
})

t.test('a member stays what it is as long as schema_version does', async (t) => {
  const file = `test/balancer/admin/core/model/status-${schemaVersion}.txt`
  const known = readFileSync(join(root, file), 'utf8').trim().split('\n')
  const now = members.map(({ path, type }) => `${path} ${type}`)
  const gone = known.filter((line) => !now.includes(line))
  t.same(gone, [], `schema_version has to grow: a member is gone or is something else; ${file} is what was promised`)
  const added = now.filter((line) => !known.includes(line))
  t.same(added, [], `add them to ${file}: a member that is added stays`)
})

t.test('the page serves what is published', async (t) => {
  t.same(written(statusJsonSchema()), published('balancer-status'))
})
