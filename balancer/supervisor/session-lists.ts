// What an operator asks of sessions, one by one, on its way to all processes that have some, and their answers as one.

import type { BalancerConfig } from '../config/schema.ts'
import { neededForwarders } from '../core/forwarders.ts'
import { mergeLists, type SessionList } from '../pool/core/session-list.ts'
import type { ProcessRole } from './core/processes.ts'
import { type Asked, type Gathering, gatherAnswers } from './gathering.ts'
import type { ToChild } from './messages.ts'

/** The questions that are not answered yet. */
export type SessionLists = Pick<Gathering<SessionList>, 'answer' | 'died'> & {
  /** Passes on the question of a process; `id` is like no other. */
  readonly pass: (asker: ProcessRole, id: string) => void
}

export type SessionListsOptions = {
  /** Gives a message to a process, and is false where there is none to take it. */
  readonly send: (role: ProcessRole, message: ToChild) => boolean
  readonly config: () => Pick<BalancerConfig, 'listeners'>
}

/** Somebody waits at a terminal, and half an answer says what is missing. */
const limit = 3000

/** No question yet. Earlier programs are not asked: theirs are counted, and end. */
export const createSessionLists = ({ send, config }: SessionListsOptions): SessionLists => {
  const lists = gatherAnswers<SessionList>({
    merge: mergeLists,
    troubled: (troubles) => ({ sessions: [], left: 0, troubles }),
    tell: (asker, id, list) => void send(asker, { type: 'session-list', id, list }),
    limit,
  })
  return {
    pass: (asker, id) => {
      const roles = neededForwarders(config().listeners)
      lists.begin(asker, id, new Map<Asked, string>(roles.map((role) => [role, `the process ${role}`])))
      for (const role of roles) {
        if (!send(role, { type: 'list-sessions', id })) lists.fail(role, id, 'is not running just now; try again')
      }
    },
    answer: lists.answer,
    died: lists.died,
  }
}
