// Tells the log of servers that have a listener's addresses themselves, when that begins and when it is over.

import type { ServerHealthFact } from '../pool/core/facts.ts'
import { type AnsweredListener, ownAnswers } from '../pool/core/own-answers.ts'
import { serverKey } from '../pool/core/pool.ts'
import type { ChangeLine } from '../pool/core/server-change.ts'

/** Hears each fact about a server. `listeners` are those in force. */
export const watchOwnAnswers = (
  listeners: () => readonly (AnsweredListener & { readonly name: string })[],
  say: (subject: string, line: ChangeLine) => void,
): ((fact: Pick<ServerHealthFact, 'listener' | 'server' | 'answersFor'>) => void) => {
  const said = new Map<string, string>()
  return ({ listener: name, server, answersFor }) => {
    const subject = serverKey(name, server)
    if (answersFor === undefined && !said.has(subject)) return
    const listener = listeners().find((one) => one.name === name)
    const text = (listener && ownAnswers(listener, server, answersFor))?.text ?? null
    if (text === (said.get(subject) ?? null)) return
    const fields = { listener: name, server }
    if (text === null) {
      said.delete(subject)
      return say(subject, { level: 'info', text: `Server ${subject} has no address of its listener any more`, fields })
    }
    said.set(subject, text)
    say(subject, { level: 'warn', text: `Server ${subject} ${text}`, fields })
  }
}
