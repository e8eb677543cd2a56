// The programs that run at once while one replaces another, and afterwards as long as earlier ones have sessions. The first,
// whose process id somebody waits for, is the root: it starts the others and passes on what they say.

import { type ChildProcess, fork } from 'node:child_process'
import { isAbsolute } from 'node:path'
import type { Logger } from 'pino'
import { closeHandle, type ListeningHandle } from '../os/listening-handle.ts'
import { raiseScheduling, usualScheduling } from '../os/scheduling.ts'
import { notifySystemd } from '../os/systemd.ts'
import {
  type Addressee,
  deliverySchema,
  envelopeSchema,
  readSuccession,
  type Sender,
  type SuccessionHeard,
  type SuccessionMessage,
  successionFormat,
} from './succession-messages.ts'

/** One program among the others. */
export type Generations = {
  /** A handle is closed here when it is sent. */
  readonly post: (to: Addressee, message: SuccessionMessage, handle?: ListeningHandle) => void
  /** Passes a signal on to the program that took over; there is nobody to pass it to where this one is not the root. */
  readonly signal: (signal: NodeJS.Signals) => void
  /** This program has nothing left to do: resolves when the process may end, with its exit code. */
  readonly finished: () => Promise<number>
}

export type GenerationsOptions = {
  readonly log: Logger
  readonly onMessage: (from: Sender, message: SuccessionHeard, handle: ListeningHandle) => void
  /** The root is gone, and with it whoever waits for this program. */
  readonly onOrphaned: () => void
}

/** In the environment of a program that is to take over. */
const mark = 'BALANCER_SUCCEEDS'

/** Whether this process was started to take over; asked once. */
export const isCandidate = (): boolean => {
  const isMarked = process.env[mark] !== undefined && process.connected
  delete process.env[mark]
  return isMarked
}

/** What a candidate is told first: the text of the configuration that runs. Or why it cannot go on with that. */
export const firstWord = (): Promise<{ readonly ok: boolean; readonly text: string }> =>
  new Promise((resolve) => {
    const settle = (ok: boolean, text: string): void => {
      clearTimeout(limit)
      process.removeListener('message', hear)
      resolve({ ok, text })
    }
    const hear = (received: unknown): void => {
      const heard = readSuccession(deliverySchema.safeParse(received).data?.message)
      if (heard?.type !== 'succeed') return
      const { format, version } = heard
      if (format === successionFormat) settle(true, heard.text)
      else
        settle(
          false,
          `version ${version} hands over in the form ${format}, which this one does not know; restart it instead`,
        )
    }
    process.on('message', hear)
    const limit = setTimeout(() => settle(false, 'the running program said nothing'), longestSilence)
  })

/** Says why this program does not take over; resolves when it is said. */
export const tellPredecessor = (lines: readonly string[]): Promise<unknown> => {
  const message: SuccessionMessage = { type: 'refused', lines: [...lines] }
  return new Promise((resolve) => {
    if (process.connected) process.send?.({ to: 'active', message }, undefined, {}, resolve)
    else resolve(null)
  })
}

const longestSilence = 10_000

type Member = {
  readonly pid: number
  readonly child: ChildProcess | null
  readonly deliver: (from: Sender, message: unknown, handle?: ListeningHandle, sent?: () => void) => void
}

/** The program that is there already, alone. */
export const foundGenerations = (options: GenerationsOptions): Generations => {
  const { log, onMessage } = options
  const local: Member = {
    pid: process.pid,
    child: null,
    deliver: (from, message, handle) => {
      const heard = readSuccession(message)
      if (heard !== undefined) onMessage(from, heard, handle)
    },
  }
  let active = local
  let candidate: Member | null = null
  const keepers = new Set<Member>()
  let isLocalOver = false
  let isLeaving = false
  let code = 0
  let end: (code: number) => void = () => {}
  const ended = new Promise<number>((resolve) => {
    end = resolve
  })

  /** Whoever waits for this process goes on waiting, unless systemd can be told of the other one. */
  const endIfOver = (): void => {
    if (!isLocalOver || keepers.size > 0 || candidate !== null || isLeaving) return
    if (active === local || active.child?.exitCode !== null || active.child.signalCode !== null) {
      end(code)
      return
    }
    if (!notifySystemd(`MAINPID=${active.pid}`)) return
    isLeaving = true
    log.info({ mainPid: active.pid }, `No sessions of version before are left: process ${active.pid} goes on alone`)
    active.deliver('root', { type: 'root-leaves' }, undefined, () => end(0))
  }

  const senderOf = (member: Member): Sender =>
    member === active ? 'active' : member === candidate ? 'candidate' : 'keeper'
  const membersAt = (to: Addressee): readonly Member[] => {
    if (to === 'active') return [active]
    if (to === 'candidate') return candidate === null ? [] : [candidate]
    return to === 'keepers' ? [...keepers] : []
  }
  const post = (from: Member, to: Addressee, message: unknown, handle?: ListeningHandle): void => {
    if (to === 'root') command(from, readSuccession(message))
    const receivers = membersAt(to)
    if (receivers.length === 0) closeHandle(handle)
    for (const member of receivers) {
      member.deliver(senderOf(from), message, handle, member === local ? undefined : () => closeHandle(handle))
    }
  }
  const command = (from: Member, message: SuccessionHeard | undefined): void => {
    switch (message?.type) {
      case 'start-candidate':
        if (from === active && candidate === null && !isLeaving) startCandidate()
        return
      case 'end-candidate':
        if (from === active) endCandidate(message.pids)
        return
      case 'commit':
        if (from !== active || candidate === null) return
        keepers.add(active)
        active = candidate
        candidate = null
        usualScheduling()
        return
      case 'service':
        // systemd listens to the root alone.
        if (from === active) notifySystemd(message.text)
        return
      case 'drained':
        if (from !== local) return
        isLocalOver = true
        keepers.delete(local)
        endIfOver()
        return
      default:
    }
  }

  const startCandidate = (): void => {
    const [, program = '', ...words] = process.argv
    const { argv0, execPath } = process
    try {
      const child = fork(program, words, {
        // What is at that place now, and not the file that this process was started from.
        execPath: isAbsolute(argv0) ? argv0 : execPath,
        env: { ...process.env, [mark]: '1' },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      candidate = follow(child)
      // Their messages pass through here while nobody advertises; the program that runs sees to itself.
      if (active !== local) raiseScheduling()
    } catch (error) {
      active.deliver('root', { type: 'candidate-ended', reason: `it could not be started: ${String(error)}` })
    }
  }
  const endCandidate = (pids: readonly number[]): void => {
    candidate?.child?.kill('SIGKILL')
    for (const pid of pids) killQuietly(pid, 'SIGKILL')
    candidate = null
    usualScheduling()
    endIfOver()
  }
  const follow = (child: ChildProcess): Member => {
    const member: Member = {
      pid: child.pid ?? 0,
      child,
      deliver: (from, message, handle, sent = () => {}) => {
        if (child.connected) child.send({ from, message }, handle, {}, sent)
        else sent()
      },
    }
    let isOver = false
    const over = (reason: string, exitCode: number | null): void => {
      if (isOver) return
      isOver = true
      if (member === candidate) {
        candidate = null
        usualScheduling()
        active.deliver('root', { type: 'candidate-ended', reason })
      }
      keepers.delete(member)
      if (member === active) activeEnded(reason, exitCode)
      endIfOver()
    }
    child.on('message', (received: unknown, handle) => {
      const envelope = envelopeSchema.safeParse(received).data
      if (envelope !== undefined) post(member, envelope.to, envelope.message, handle)
    })
    child.on('error', (error) => {
      if (child.pid === undefined) over(`it could not be started: ${error.message}`, 1)
    })
    child.once('exit', (exitCode, signal) =>
      over(signal === null ? `exit code ${exitCode}` : `signal ${signal}`, exitCode),
    )
    return member
  }
  const activeEnded = (reason: string, exitCode: number | null): void => {
    code = exitCode === 0 ? 0 : 1
    if (code !== 0) log.error(`The program that took over died (${reason})`)
    if (candidate !== null) endCandidate([])
    for (const keeper of keepers) keeper.deliver('root', { type: 'stop' })
  }

  return {
    post: (to, message, handle) => post(local, to, message, handle),
    signal: (signal) => {
      if (active !== local) killQuietly(active.pid, signal)
    },
    finished: () => {
      isLocalOver = true
      keepers.delete(local)
      endIfOver()
      return ended
    },
  }
}

/** This program is to take over from another one. When the root leaves, this one is the root. */
export const joinGenerations = (options: GenerationsOptions): Generations => {
  let root: Generations | null = null
  process.on('message', (received, handle: ListeningHandle) => {
    const delivery = deliverySchema.safeParse(received).data
    const heard = readSuccession(delivery?.message)
    if (delivery === undefined || heard === undefined) return
    if (heard.type === 'root-leaves') root = foundGenerations(options)
    options.onMessage(delivery.from, heard, handle)
  })
  process.once('disconnect', () => {
    if (root === null) options.onOrphaned()
  })
  return {
    post: (to, message, handle) => {
      if (root !== null) root.post(to, message, handle)
      else if (process.connected) process.send?.({ to, message }, handle, {}, () => closeHandle(handle))
    },
    signal: (signal) => root?.signal(signal),
    finished: async () => root?.finished() ?? 0,
  }
}

const killQuietly = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}
