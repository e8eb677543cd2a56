import fc from 'fast-check'
import t from 'tap'
import {
  enterScreen,
  leaveScreen,
  paletteOf,
  repaint,
  styled,
} from '../../../../../../balancer/admin/core/views/terminal/ansi.ts'
import { keysIn } from '../../../../../../balancer/admin/core/views/terminal/keys.ts'
import { createScreen } from './screen-of.ts'

t.test('colours are for terminals that know them and for people who want them; a flag is stronger', async (t) => {
  const xterm = { TERM: 'xterm-256color' }
  for (const [choice, isTerminal, env, palette] of [
    ['auto', true, xterm, 'many'],
    ['auto', true, { TERM: 'linux' }, 'sixteen'],
    ['auto', true, { TERM: 'screen', COLORTERM: 'truecolor' }, 'many'],
    ['auto', false, xterm, 'none'],
    ['auto', true, { ...xterm, NO_COLOR: '1' }, 'none'],
    ['auto', true, { ...xterm, NO_COLOR: '' }, 'many'],
    ['auto', true, { TERM: 'dumb' }, 'none'],
    ['auto', true, {}, 'none'],
    ['always', false, {}, 'sixteen'],
    ['always', true, { ...xterm, NO_COLOR: '1' }, 'many'],
    ['never', true, xterm, 'none'],
  ] as const) {
    t.equal(paletteOf(choice, isTerminal, env), palette, JSON.stringify([choice, isTerminal, env]))
  }
})

t.test(
  'a cell has the colour of its state; what has changed is bold and underlined, without colours too',
  async (t) => {
    const line = [{ text: 'db1 ' }, { text: 'DOWN', tone: 'down', mark: 'db1 DOWN' }] as const
    const never = () => false
    t.equal(styled(line, 'none', never), 'db1 DOWN')
    t.equal(styled(line, 'many', never), 'db1 \x1b[38;5;16;48;5;210mDOWN\x1b[0m')
    t.equal(styled(line, 'sixteen', never), 'db1 \x1b[1;37;41mDOWN\x1b[0m')
    t.equal(
      styled(line, 'none', (mark) => mark === 'db1 DOWN'),
      'db1 \x1b[1;4mDOWN\x1b[0m',
    )
  },
)

const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\x1b[1mX\x1b[0m'), maxLength: 8 })
const shown = (text: string): string => text.replaceAll('\x1b[1m', '').replaceAll('\x1b[0m', '').trimEnd()

t.test('a terminal shows each screen in turn, and only lines that differ are written', async (t) => {
  const rows = 4
  const screens = fc.array(fc.array(line, { minLength: rows, maxLength: rows }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(screens, (all) => {
      const terminal = createScreen()
      all.forEach((screen, i) => {
        const before = all[i - 1] ?? null
        const written = repaint(before, screen)
        terminal.write(written)
        const lines = Array.from({ length: rows }, (_, at) => terminal.lines()[at] ?? '')
        t.same(lines, screen.map(shown))
        const different = screen.filter((text, at) => before?.[at] !== text).length
        t.equal(written.split('\x1b[K').length - 1, different)
        t.equal(written === '', different === 0)
      })
      t.equal(terminal.clears(), 1)
    }),
    { numRuns: 40 },
  )
})

t.test('the screen is taken and given back', async (t) => {
  const terminal = createScreen()
  terminal.write(enterScreen)
  t.same([1049, 25, 7].map(terminal.mode), [true, false, false])
  terminal.write(leaveScreen)
  t.same([1049, 25, 7].map(terminal.mode), [false, true, true])
})

t.test('keys, in one piece or in many, of terminals of all kinds; others are none', async (t) => {
  t.same(keysIn('q\x03'), [{ key: 'quit' }, { key: 'quit' }])
  for (const down of ['j', '\x1b[B', '\x1bOB']) t.same(keysIn(down), [{ key: 'scroll', by: 'line', direction: 1 }])
  t.same(keysIn('\x1b[5~k'), [
    { key: 'scroll', by: 'page', direction: -1 },
    { key: 'scroll', by: 'line', direction: -1 },
  ])
  t.same(keysIn('\t\x1b[Z3p'), [{ key: 'next' }, { key: 'previous' }, { key: 'view', number: 3 }, { key: 'pause' }])
  t.same(keysIn('\x1b[1;5Cx0é\x1b[200~'), [])
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => Array.isArray(keysIn(text))))
})
