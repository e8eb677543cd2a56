// The line of an agent (HAProxy: `agent-check`): words and numbers separated by spaces, commas or semicolons.

import type { AgentWord } from '../../pool/core/facts.ts'

/** What an agent said, without the moment; null where the line holds no word that is known. */
export type AgentLine = Omit<AgentWord, 'at'>

const silence: AgentLine = { admin: 'ready', down: false, percent: null, maximumSessions: null, text: '' }

const maximumPercent = 1000

/**
 * Adds a line to what the agent said before (HAProxy documentation, `agent-check`): `75%`, `maxconn:30`, `ready`, `drain`,
 * `maint`, `up`, `down`, `failed` and `stopped`; after `#` comes a text for people. What a line leaves out stays.
 */
export const afterAgentLine = (before: AgentLine | null, line: string): AgentLine | null => {
  const [words = '', ...description] = line.trim().split('#')
  let said = before ?? silence
  let known = 0
  for (const word of words.split(/[\s,;]+/).filter((part) => part !== '')) {
    const next = afterWord(said, word.toLowerCase())
    if (next === undefined) continue
    said = next
    known += 1
  }
  return known === 0 ? null : { ...said, text: (description.join('#').trim() || line.trim()).slice(0, 256) }
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
    case 'failed':
    case 'stopped':
      return { ...said, down: true }
    default:
      return undefined
  }
}
