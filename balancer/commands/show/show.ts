// `balancer show`: what the running balancer answers, fitted to a terminal with its colours, or as it is for all others. What
// each of these needs is loaded when it is asked for.

import { colourChoices, paletteOf } from '../../admin/core/views/terminal/ansi.ts'
import { viewNames } from '../../admin/core/views/terminal/contents.ts'
import { exitUsage } from '../exit.ts'
import { askRunning } from '../runtime.ts'

/** What was asked for; `watch` is an interval, or empty for the usual one. */
export type ShowWish = {
  readonly file: string
  readonly words: readonly string[]
  readonly json: boolean
  readonly watch: string | undefined
  readonly colour: string
}

/** Shows it; the exit code. */
export const show = async ({ file, words, json, watch, colour }: ShowWish): Promise<number> => {
  const choice = colourChoices.find((known) => known === colour)
  if (choice === undefined) return refuse(`--color is one of ${colourChoices.join(', ')}, not ${colour}`)
  const isTerminal = process.stdout.isTTY === true
  const palette = paletteOf(choice, isTerminal, process.env)
  const view = viewNames.find((name) => name === (words[0] ?? (watch === undefined ? 'servers' : 'status')))
  const isOurs = view !== undefined && words.length <= 1
  if (watch !== undefined) {
    if (!isOurs) return refuse(`--watch shows ${viewNames.join(', ')}, not ${words.join(' ')}`)
    const { intervalOf } = await import('./interval.ts')
    const interval = intervalOf(watch)
    if (!interval.ok) return refuse(interval.text)
    if (json) return (await import('./stream.ts')).stream(file, view, interval.value)
    if (!isTerminal || process.env['TERM'] === 'dumb') return refuse(noTerminal)
    return (await import('./watch.ts')).watch({ file, view, interval: interval.value, palette })
  }
  if (json || !isOurs || (palette === 'none' && !isTerminal)) {
    return askRunning(file, ['show', ...words, ...(json ? ['--json'] : [])])
  }
  const { draw } = await import('./draw.ts')
  return draw(file, view, palette, isTerminal ? process.stdout.columns : Number.POSITIVE_INFINITY)
}

const noTerminal =
  '--watch draws on a terminal, and this is none; without --watch there is one answer, with --watch --json one on each line'

const refuse = (text: string): number => {
  process.stderr.write(`balancer: ${text}\n`)
  return exitUsage
}
