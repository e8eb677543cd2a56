// The line of an agent (HAProxy: `agent-check`): words and numbers separated by spaces, commas or semicolons.

import { oneLine } from '../../core/text.ts'
import type { AgentWord } from '../../pool/core/facts.ts'

/** What an agent said, without the moments. */
export type AgentLine = Omit<AgentWord, 'at' | 'since'>

const silence: AgentLine = { admin: 'ready', down: false, percent: null, maximumSessions: null, text: '' }

const maximumPercent = 1000

/** What the agent wants after a line, null where it said nothing that is known yet; and the words that nobody knows. */
export type HeardLine = { readonly said: AgentLine | null; readonly unknown: readonly string[] }

const longestWord = 32
const longestText = 256
const mostUnknown = 4

/**
 * Adds a line to what the agent said before (HAProxy documentation, `agent-check`): `75%`, `maxconn:30`, `ready`, `drain`,
 * `maint`, `up`, `down`, `fail`, `failed` and `stopped`; after `#` comes a text for people. What a line leaves out stays. `said` is
 * null where the line holds no word that is known.
 */
export const afterAgentLine = (before: AgentLine | null, line: string): HeardLine => {
  const [words = '', ...description] = line.trim().split('#')
  let said = before ?? silence
  let known = 0
  const unknown: string[] = []
  for (const word of words.split(/[\s,;]+/).filter((part) => part !== '')) {
    const next = afterWord(said, word.toLowerCase())
    if (next === undefined) {
      unknown.push(word.replace(/[^ -~]/g, '?').slice(0, longestWord))
      continue
    }
    said = next
    known += 1
  }
  const text = oneLine(description.join('#').trim() || line, longestText)
  return { said: known === 0 ? null : { ...said, text }, unknown: unknown.slice(0, mostUnknown) }
}

const afterWord = (said: AgentLine, word: string): AgentLine | undefined => {
  const [, percent] = /^(\d{1,4})%$/.exec(word) ?? []
  if (percent !== undefined) return { ...said, percent: Math.min(maximumPercent, Number(percent)) }
  const [, limit] = /^maxconn:(\d{1,6})$/.exec(word) ?? []
  if (limit !== undefined) return { ...said, maximumSessions: Number(limit) }
  switch (word) {
    case 'ready':
    case 'drain':
    case 'maint':
      return { ...said, admin: word }
    case 'up':
      return { ...said, down: false }
    case 'down':
    // Its documentation says failed, its code understands fail.
    case 'fail':
    case 'failed':
    case 'stopped':
      return { ...said, down: true }
    default:
      return undefined
  }
}
