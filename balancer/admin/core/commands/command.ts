// What a runtime command is, who may give it, and the words in which one is refused.

/**
 * What a socket lets its clients do (HAProxy: `stats socket … level`): `user` sees what is harmless, `operator` sees all and
 * clears counters, `admin` gives orders.
 */
export const levels = ['user', 'operator', 'admin'] as const
export type Level = (typeof levels)[number]

/** Whether one who has a level may do what needs another one. */
export const suffices = (has: Level, needs: Level): boolean => levels.indexOf(has) >= levels.indexOf(needs)

/**
 * A command: its words, what follows them, what it does, who may give it. `of` says whose it is: `balancer` has its words on the
 * command line, too; `haproxy` answers as HAProxy's does; `connection` is about the conversation itself, and carried out there.
 */
export type Command = {
  readonly words: string
  readonly arguments: string
  readonly help: string
  readonly level: Level
  readonly of: 'balancer' | 'haproxy' | 'connection'
}

/** Stands at the beginning of an answer of ours that is a refusal; HAProxy's have words of their own. */
export const refusal = 'error: '

/** HAProxy's refusals, word for word: its tools look for them. */
export const haproxyRefusals = {
  denied: 'Permission denied',
  noBackend: 'No such backend.',
  noServer: 'No such server.',
  noPlace: "Require 'backend/server'.",
  noProxy: 'No such proxy.',
  cannotFind: "Can't find backend.",
  noWeight: 'Require <weight> or <weight%>.',
  emptyWeight: 'Empty weight string empty or preceded by garbage',
  trailingWeight: 'Trailing garbage in weight string',
  largeWeight: 'Absolute weight can only be between 0 and 256 inclusive.',
  relativeWeight: 'Relative weight must be positive.',
  badState: "'set server <srv> state' expects 'ready', 'drain' and 'maint'.",
  setServerUsage: 'usage: set server <backend>/<server> state | weight',
  noSession: "No such session (use 'show sess').",
  noSessionId: "Session pointer expected (use 'show sess').",
  sessionNotFound: 'Session not found.',
  onlyCli: "'set timeout' only supports 'cli'.",
  noTimeout: 'Expects an integer value.',
  badTimeout: 'Invalid timeout value.',
} as const

/** How an answer to what is no command begins. */
export const unknownCommand = 'Unknown command'

/** Whether an answer says that nothing was done. */
export const isRefusal = (answer: string): boolean =>
  [refusal, unknownCommand, ...Object.values(haproxyRefusals)].some((text) => answer.startsWith(text))
