import fc from 'fast-check'
import t from 'tap'
import { showServers } from '../../../../../../balancer/admin/core/views/show.ts'
import {
  columnsOf,
  type Line,
  linesBlock,
  plain,
  plainText,
} from '../../../../../../balancer/admin/core/views/table.ts'
import { laidOut } from '../../../../../../balancer/admin/core/views/terminal/layout.ts'
import { cut, padded, widthOf, wrapped } from '../../../../../../balancer/admin/core/views/terminal/width.ts'
import { eventful, statusAfter } from '../../model/status-scenes.ts'

const textOf = (line: Line): string =>
  line
    .map(({ text }) => text)
    .join('')
    .trimEnd()
const texts = (lines: readonly Line[]): readonly string[] => lines.map(textOf)
const shownText = fc.string({ unit: fc.constantFrom('a', 'B', ' ', 'é', 'e\u0301', '数', '🙂', '-'), maxLength: 40 })

t.test('wide letters take two columns, marks on letters none', async (t) => {
  for (const [text, width] of [
    ['db1', 3],
    ['数据库', 6],
    ['e\u0301', 1],
    ['🙂', 2],
    ['…', 1],
    ['', 0],
  ] as const) {
    t.equal(widthOf(text), width, text)
  }
})

t.test('what is cut fits and is its beginning with an ellipsis, what fits is not touched', async (t) => {
  t.equal(cut('read-only', 9), 'read-only')
  t.equal(cut('read-only', 6), 'read-…')
  t.equal(cut('数据库', 4), '数…')
  fc.assert(
    fc.property(shownText, fc.nat(30), (text, width) => {
      const short = cut(text, width)
      return widthOf(short) <= width && (short === text || width === 0 || text.startsWith(short.slice(0, -1)))
    }),
  )
  t.equal(padded('数', 4), '数  ')
})

t.test('what is wrapped fits, and loses no word', async (t) => {
  t.same(wrapped('  route cannot be added', 14), ['  route cannot', '    be added'])
  fc.assert(
    fc.property(shownText, fc.integer({ min: 2, max: 30 }), (text, width) => {
      const lines = wrapped(text, width)
      const letters = (some: string): string => some.replaceAll(' ', '')
      return lines.every((line) => widthOf(line) <= width) && letters(lines.join('')) === letters(text)
    }),
  )
})

const table = {
  columns: columnsOf('SERVER', ['ROLE', 1], ['CHECKS', 2], 'LAST CHECK'),
  rows: [
    ['mysql/db1', 'primary', 'watched', 'L7OK/200 in 4ms, ok: all is as it should be here'],
    ['mysql/数据', 'replica', 'polled', 'L4CON: refused'],
  ].map((row) => row.map(plain)),
}

t.test('a table loses columns that can be spared first, then the end of its last one', async (t) => {
  t.same(texts(laidOut([table], 200, false)), [
    'SERVER      ROLE     CHECKS   LAST CHECK',
    'mysql/db1   primary  watched  L7OK/200 in 4ms, ok: all is as it should be here',
    'mysql/数据  replica  polled   L4CON: refused',
  ])
  t.same(texts(laidOut([table], 62, false)), [
    'SERVER      ROLE     CHECKS   LAST CHECK',
    'mysql/db1   primary  watched  L7OK/200 in 4ms, ok: all is as …',
    'mysql/数据  replica  polled   L4CON: refused',
  ])
  t.same(texts(laidOut([table], 54, false))[0], 'SERVER      ROLE     LAST CHECK')
  t.same(texts(laidOut([table], 20, false)), ['SERVER      LAST CH…', 'mysql/db1   L7OK/20…', 'mysql/数据  L4CON: …'])
})

t.test('sentences go on below in a view, and are left to the terminal otherwise', async (t) => {
  const blocks = [table, ...linesBlock(['mysql/db1: drain by operator for 5s'])]
  t.same(texts(laidOut(blocks, 20, true)).slice(-3), ['', 'mysql/db1: drain by', '  operator for 5s'])
  t.same(texts(laidOut(blocks, 20, false)).slice(-2), ['', 'mysql/db1: drain by operator for 5s'])
})

t.test('no width is exceeded', async (t) => {
  const cell = shownText.map(plain)
  const rows = fc.array(fc.tuple(cell, cell, cell, cell), { maxLength: 5 })
  const widths = fc.integer({ min: 2, max: 90 })
  fc.assert(
    fc.property(rows, fc.array(shownText, { maxLength: 3 }), widths, (some, lines, width) => {
      const made = laidOut([{ ...table, rows: some }, ...linesBlock(lines)], width, true)
      const wide = made.filter((line) => widthOf(line.map(({ text }) => text).join('')) > width)
      t.same(wide, [])
    }),
  )
})

t.test('text for others is not cut', async (t) => {
  t.match(
    plainText([table]),
    /^mysql\/db1 {2}primary {2}watched {2}L7OK\/200 in 4ms, ok: all is as it should be here$/m,
  )
  const servers = showServers(statusAfter(eventful), false)
  t.match(servers, /^SERVER +STATUS +SINCE +WEIGHT +SESSIONS +ROLE +FOUND BY +CHECKS +LAST CHECK$/m)
  t.match(servers, /^mysql\/db1 +UP writer +1m +1 +5 +unknown +push, 3ms old +watched +L7OK\/200 in 4ms, ok: ok$/m)
  t.match(servers, /^mysql\/db2: drain by agent "busy" for 5s$/m)
  t.match(servers, /^mysql\/db1 answers nobody$/m)
})
