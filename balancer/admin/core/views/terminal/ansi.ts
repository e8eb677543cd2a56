// Colours and places on a terminal, as the escape sequences of ECMA-48.

import type { Cell, Line, Tone } from '../table.ts'

/** What a terminal can show: no colours, the sixteen that each has its own idea of, or the 256 of xterm. */
export type Palette = 'none' | 'sixteen' | 'many'

/** When colours are wanted. */
export const colourChoices = ['auto', 'always', 'never'] as const
export type ColourChoice = (typeof colourChoices)[number]

/** The palette for an output. An explicit choice is stronger than NO_COLOR (no-color.org), and that than what the terminal can. */
export const paletteOf = (
  choice: ColourChoice,
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Palette => {
  const { TERM: term = '', NO_COLOR: refused = '', COLORTERM: more = '' } = env
  if (choice === 'never') return 'none'
  if (choice === 'auto' && (!isTerminal || refused !== '' || term === 'dumb' || term === '')) return 'none'
  return more !== '' || term.includes('256') ? 'many' : 'sixteen'
}

const csi = '\x1b['
const plain = `${csi}0m`
const black = 16
const red = 160

/** Background and text in the colours of the page, the nearest of 256; those alone without a background are text. */
const many: Readonly<Record<Tone, string>> = {
  up: `38;5;${black};48;5;157`,
  backup: `38;5;${black};48;5;153`,
  failing: `38;5;${black};48;5;229`,
  rising: `38;5;${black};48;5;220`,
  down: `38;5;${black};48;5;210`,
  maint: `38;5;${black};48;5;173`,
  drain: `38;5;${black};48;5;75`,
  unchecked: `38;5;${black};48;5;254`,
  well: `38;5;${black};48;5;157`,
  attention: `38;5;${black};48;5;229`,
  trouble: `1;38;5;231;48;5;${red}`,
  head: '1',
  dim: '2',
}

const sixteen: Readonly<Record<Tone, string>> = {
  up: '30;42',
  backup: '30;46',
  failing: '30;43',
  rising: '30;43',
  down: '1;37;41',
  maint: '30;45',
  drain: '1;37;44',
  unchecked: '30;47',
  well: '30;42',
  attention: '30;43',
  trouble: '1;37;41',
  head: '1',
  dim: '2',
}

/** Whether something has changed there; see `Cell.mark`. */
export type IsFresh = (mark: string) => boolean

/** A line with its colours; what has changed is bold and underlined. */
export const styled = (line: Line, palette: Palette, isFresh: IsFresh): string =>
  line.map((cell) => styledCell(cell, palette, isFresh)).join('')

const styledCell = ({ text, tone, mark }: Cell, palette: Palette, isFresh: IsFresh): string => {
  const codes = [
    ...(tone === undefined || palette === 'none' ? [] : [(palette === 'many' ? many : sixteen)[tone]]),
    ...(mark !== undefined && isFresh(mark) ? ['1;4'] : []),
  ]
  return codes.length === 0 ? text : `${csi}${codes.join(';')}m${text}${plain}`
}

/** A whole screen, each line with its colours. */
export type Screen = readonly string[]

/**
 * What to write so that a terminal that shows `before` shows `after`, which has as many lines; empty where it does. Null is a screen
 * of which nothing is known, as after a change of its size.
 */
export const repaint = (before: Screen | null, after: Screen): string => {
  const changed = after.flatMap((line, i) => (before?.[i] === line ? [] : [`${csi}${i + 1};1H${line}${csi}K`]))
  if (changed.length === 0) return ''
  // Terminals that know synchronized output (private mode 2026) show all at once; others ignore it.
  return `${csi}?2026h${before === null ? `${csi}2J` : ''}${changed.join('')}${csi}?2026l`
}

/** Takes the screen: the alternate one, no cursor, and no line that goes on in the next one. */
export const enterScreen = `${csi}?1049h${csi}?25l${csi}?7l`
/** Gives it back as it was. */
export const leaveScreen = `${csi}?2026l${plain}${csi}?7h${csi}?25h${csi}?1049l`
