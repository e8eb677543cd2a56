import fc from 'fast-check'
import t from 'tap'
import { oneLine, plainLines, printableJson } from '../../../balancer/core/text.ts'

/** What a terminal obeys, or what a reader does not see. */
const harmful = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u
const nasty = fc.constantFrom(
  '\x1b[2J',
  '\x07',
  '\r\n',
  '\u009b31m',
  '\u202e',
  '\u2028',
  '\ud800',
  '\u{e0001}',
  '\x7f',
  '\0',
)
const text = fc.array(fc.oneof(nasty, fc.string({ unit: 'binary' })), { maxLength: 20 }).map((parts) => parts.join(''))

t.test('a line is one line, harmless, and no longer than allowed', async (t) => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 40 }), (given, most) => {
      const line = oneLine(given, most)
      t.notMatch(line, harmful)
      t.ok(line.length <= most)
    }),
  )
  t.equal(oneLine(' a\x1b[31mb\r\n\u202ec ', 100), 'a [31mb c')
  t.equal(oneLine('ab\u{1f600}cd', 4), 'ab…', 'no half of a character')
})

t.test('lines for a terminal keep their ends and nothing else that acts', async (t) => {
  fc.assert(
    fc.property(text, (given) => {
      const lines = plainLines(given)
      t.notMatch(lines.replaceAll('\n', ''), harmful)
      t.equal(lines.split('\n').length, given.split('\n').length)
    }),
  )
})

t.test('JSON says the same, in characters that do nothing', async (t) => {
  fc.assert(
    fc.property(text, (given) => {
      const json = JSON.stringify({ [given]: [given] }, null, 1)
      const printable = printableJson(json)
      t.notMatch(printable.replaceAll('\n', ''), harmful)
      t.same(JSON.parse(printable), JSON.parse(json))
    }),
  )
})
