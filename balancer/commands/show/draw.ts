// One look at the running balancer, fitted to a terminal, with its colours.

import { eventsTable, overviewBlocks } from '../../admin/core/views/show.ts'
import { type Palette, styled } from '../../admin/core/views/terminal/ansi.ts'
import { type Answer, contentsOf, type ViewName } from '../../admin/core/views/terminal/contents.ts'
import { laidOut } from '../../admin/core/views/terminal/layout.ts'
import { askRunning } from '../runtime.ts'
import { answerFrom } from './answer.ts'

/** Draws a view for lines of this width; the exit code. */
export const draw = async (file: string, view: ViewName, palette: Palette, width: number): Promise<number> => {
  const heard = await answerFrom(file)
  if (!heard.ok) {
    // One of another version knows best what it has to say.
    if (heard.isOther) return askRunning(file, ['show', view])
    process.stderr.write(`balancer: ${heard.text}\n`)
    return 1
  }
  const blocks = blocksOf(view, heard.answer)
  const lines = laidOut(blocks, width, false)
  process.stdout.write(`${lines.map((line) => styled(line, palette, () => false).trimEnd()).join('\n')}\n`)
  return 0
}

/** On a screen that stays the newest event is at the top; here it is the last, next to where the next command is typed. */
const blocksOf = (view: ViewName, answer: Answer) => {
  if (view === 'status') return overviewBlocks(answer)
  return view === 'events' && answer.events.length > 0 ? [eventsTable(answer.events)] : contentsOf(view, answer)
}
