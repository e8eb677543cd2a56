// The other side of a replacement: this program starts beside the one that runs, and takes over from it.

import { type Millis, millis } from '../core/time.ts'
import type { ListeningHandle } from '../os/listening-handle.ts'
import { raiseScheduling, usualScheduling } from '../os/scheduling.ts'
import type { Fact } from '../pool/core/facts.ts'
import { version } from '../version.ts'
import { type ProcessRole, resumptions } from './core/processes.ts'
import type { FromChild, ToChild } from './messages.ts'
import type { SuccessionHeard, SuccessionMessage } from './succession-messages.ts'

/** A program that is taking over. */
export type Successor = {
  /** Its processes begin, beside those of the other program, when this resolves. */
  readonly mayBegin: Promise<void>
  readonly isConfirmed: () => boolean
  readonly heard: (role: ProcessRole, message: FromChild) => void
  readonly told: (message: SuccessionHeard, handle: ListeningHandle) => void
  /** It cannot take over. */
  readonly give: (reason: string) => void
}

export type SuccessorOptions = {
  /** The processes of this program. */
  readonly roles: readonly ProcessRole[]
  /** The processes to be killed where this program fails, so that they do no harm even when they hang. */
  readonly pids: () => readonly number[]
  readonly send: (role: ProcessRole, message: ToChild, handle?: ListeningHandle) => void
  readonly post: (message: SuccessionMessage) => void
  /** What the processes of the other program said last. */
  readonly learn: (facts: readonly Fact[]) => void
  readonly onConfirmed: () => void
  /** The processes here are to be ended, without a word of theirs to anybody. */
  readonly onRefused: () => void
}

/** Waits for the other program. */
export const createSuccessor = (options: SuccessorOptions): Successor => {
  const { roles, pids, send, post, learn } = options
  const notLoaded = new Set<ProcessRole>(roles)
  const notPrepared = new Set<ProcessRole>(roles)
  let begin = (): void => {}
  const mayBegin = new Promise<void>((resolve) => {
    begin = resolve
  })
  let isConfirmed = false
  let isRefused = false

  const lead = (facts: readonly Fact[], at: Millis): void => {
    learn(facts)
    send('vrrp', { type: 'lead', facts, resume: resumptions(facts, at) })
  }
  return {
    mayBegin,
    isConfirmed: () => isConfirmed,
    heard: (role, message) => {
      if (message.type === 'alive' && notLoaded.delete(role) && notLoaded.size === 0) {
        post({ type: 'loaded', version, pids: [process.pid, ...pids()] })
      }
      const isPrepared = message.type === (role === 'vrrp' ? 'prepared' : 'ready')
      if (isPrepared && notPrepared.delete(role) && notPrepared.size === 0) {
        // What is heard from now on is for the vrrp process, and must not wait.
        raiseScheduling()
        post({ type: 'prepared' })
      }
      if (message.type === 'ready' && role === 'vrrp') post({ type: 'leads' })
    },
    told: (message, handle) => {
      switch (message.type) {
        case 'handle':
          send(message.of, { type: 'handle', name: message.name }, handle)
          return
        case 'begin':
          learn(message.facts)
          begin()
          return
        case 'lead':
          lead(message.facts, millis(message.at))
          return
        case 'confirmed':
          isConfirmed = true
          usualScheduling()
          for (const role of roles) send(role, { type: 'confirmed' })
          options.onConfirmed()
          return
        default:
      }
    },
    give: (reason) => {
      if (isRefused || isConfirmed) return
      isRefused = true
      post({ type: 'refused', lines: [reason] })
      options.onRefused()
    },
  }
}
