// @ts-check
// Loaded before a file of tests: tells who runs it, at its end, how many seconds of a processor it took, with all that it has started
// and seen ending.

import { readFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

/** The clock in which Linux counts for programs, on every architecture of ours. */
const ticksPerSecond = 100

const processorSeconds = () => {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  // Behind the name, which may have any letters: the state is the third field, the four times begin with the fourteenth.
  const times = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
  return times.reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond
}

if (isMainThread) {
  // What is forked takes over the options of its parent: this one is none of its business.
  process.execArgv = process.execArgv.filter((option) => !option.startsWith('--import='))
  process.on('exit', () => process.send?.({ processorSeconds: processorSeconds() }))
}
