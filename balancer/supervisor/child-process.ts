// One child of the supervisor: forked, configured, and started again whenever it dies or hangs.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { Millis } from '../core/time.ts'
import { monotonicNow } from '../os/clock.ts'
import { closeHandle, type ListeningHandle } from '../os/listening-handle.ts'
import { type Deaths, exitMisfit, type ProcessRole, restartAfter } from './core/processes.ts'
import { type FromChild, parseFromChild, type ToChild } from './messages.ts'
import { confinementOf } from './privileges.ts'

/** A child that is kept running until it is stopped. */
export type SupervisedProcess = {
  /** False when there is no process to take the message. A handle is closed here when it is sent. */
  readonly send: (message: ToChild, handle?: ListeningHandle) => boolean
  /** Its process id, while there is a process. */
  readonly pid: () => number | undefined
  /** From now on it is not started again. */
  readonly letDie: () => void
  /** Has it take nothing new; resolves when it has ended, at the latest a little after `until`, a moment of the system's clock. */
  readonly retire: (until: number) => Promise<void>
  /** Asks the process to end, and kills it when it has not within the limit. False when it did not end by itself. */
  readonly stop: () => Promise<boolean>
}

export type SupervisedProcessOptions = {
  readonly role: ProcessRole
  readonly log: Logger
  /** It gets its first message, and begins its work, not before this resolves. */
  readonly mayBegin: Promise<void>
  /** The first message of each start; `diedAt` (CLOCK_MONOTONIC) is null at the first one. */
  readonly configure: (diedAt: Millis | null) => ToChild
  readonly onMessage: (message: FromChild, handle: ListeningHandle) => void
  /** Whether one that dies is started again; else `onLost` is told why it died. */
  readonly isRestarted: () => boolean
  readonly onLost: (reason: string) => void
  /** It died unasked at `diedAt`, and is started again after `delay`. */
  readonly onDeath: (diedAt: Millis, delay: Millis) => void
  /** It is of another version than this supervisor, and is not started again. */
  readonly onMisfit: () => void
}

/**
 * The vrrp process may keep its addresses for five seconds until another router has them. Frames of clients may still come where they
 * have left, and rules are taken away by a program that a busy host starts late.
 */
const stopLimitMillis: Readonly<Record<ProcessRole, number>> = {
  vrrp: 10_000,
  proxy: 3000,
  kernel: 10_000,
  director: 3000,
}

/**
 * Seconds without a word: who is silent for so long hangs. More than a reload waits that is taken back. Those in which the
 * supervisor itself stood still do not count.
 */
const longestSilence = 30
const second = 1000

/**
 * Only the main thread of the vrrp process has real-time scheduling: it must not wait for helpers that collect garbage, which
 * get no time on a busy host.
 */
const engineOptions: Readonly<Record<ProcessRole, readonly string[]>> = {
  vrrp: ['--single-threaded-gc'],
  proxy: [],
  kernel: [],
  director: [],
}

/** Starts a child process and keeps it running. */
export const superviseProcess = ({
  role,
  log,
  mayBegin,
  configure,
  onMessage,
  isRestarted,
  onLost,
  onDeath,
  onMisfit,
}: SupervisedProcessOptions): SupervisedProcess => {
  const module = fileURLToPath(new URL(`../main/${role}.js`, import.meta.url))
  let child: ChildProcess | undefined
  let deaths: Deaths = []
  let stopping = false
  let restart: NodeJS.Timeout | undefined
  let dead: (isClean: boolean) => void = () => {}

  const send = (message: ToChild, handle?: ListeningHandle): boolean => {
    // A child that is just dying takes no more messages; its successor is told everything anew.
    if (!child?.connected) {
      closeHandle(handle)
      return false
    }
    child.send(message, handle, {}, () => closeHandle(handle))
    return true
  }

  const start = (diedAt: Millis | null): void => {
    let pid: number | undefined
    let isOver = false
    let silence = 0
    let watch: NodeJS.Timeout | undefined
    const ended = (reason: string, isClean = false): void => {
      if (isOver) return
      isOver = true
      child = undefined
      clearInterval(watch)
      if (stopping) {
        dead(isClean)
        return
      }
      if (!isRestarted()) {
        onLost(reason)
        return
      }
      const now = monotonicNow()
      const next = restartAfter(deaths, now)
      deaths = next.deaths
      const when = next.delay === 0 ? 'at once' : `in ${next.delay} ms`
      const text = `Process ${role} died (${reason}), starting it again ${when}`
      log.error({ child: role, childPid: pid, reason, delay: next.delay }, text)
      restart = setTimeout(() => start(now), next.delay)
      onDeath(now, next.delay)
    }
    let started: ChildProcess
    try {
      started = fork(module, {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        execArgv: [...process.execArgv, ...engineOptions[role]],
        ...confinementOf(role),
      })
    } catch (error) {
      ended(`it could not be started: ${String(error)}`)
      return
    }
    pid = started.pid
    child = started
    started.on('message', (received: unknown, handle) => {
      silence = 0
      const read = parseFromChild(received)
      if (read.ok) onMessage(read.message, handle)
      else log.error({ child: role }, `Process ${role} sent a message that is not understood (${read.text})`)
    })
    started.on('error', (error) => {
      // Without a process id there was never a process, and there will be no exit.
      if (pid === undefined) ended(`it could not be started: ${error.message}`)
      else log.error({ child: role, childPid: pid, err: error }, `Process ${role}: ${error.message}`)
    })
    started.once('exit', (code, signal) => {
      if (code === exitMisfit && !stopping) {
        child = undefined
        isOver = true
        clearInterval(watch)
        onMisfit()
        return
      }
      ended(signal === null ? `exit code ${code}` : `signal ${signal}`, code === 0)
    })
    if (pid === undefined) return
    watch = setInterval(() => {
      silence += 1
      if (silence < longestSilence) return
      silence = 0
      log.error({ child: role, childPid: pid }, `Process ${role} has said nothing for ${longestSilence} s, killing it`)
      started.kill('SIGKILL')
    }, second)
    void mayBegin.then(() => {
      if (child === started) send(configure(diedAt))
    })
    log.info({ child: role, childPid: pid }, `Process ${role} started`)
  }
  start(null)

  return {
    send,
    pid: () => child?.pid,
    retire: (until) =>
      new Promise((resolve) => {
        stopping = true
        clearTimeout(restart)
        if (child === undefined) return resolve()
        const limit = setTimeout(() => child?.kill('SIGKILL'), Math.max(0, until - Date.now()) + stopLimitMillis[role])
        dead = () => {
          clearTimeout(limit)
          resolve()
        }
        send({ type: 'retire', until })
      }),
    letDie: () => {
      stopping = true
      clearTimeout(restart)
    },
    stop: () =>
      new Promise((resolve) => {
        stopping = true
        clearTimeout(restart)
        if (child === undefined) return resolve(false)
        const over = dead
        const { pid } = child
        const limit = setTimeout(() => {
          log.error(
            { child: role, childPid: pid },
            `Process ${role} did not stop within ${stopLimitMillis[role]} ms, killing it`,
          )
          child?.kill('SIGKILL')
        }, stopLimitMillis[role])
        dead = (isClean) => {
          clearTimeout(limit)
          over(isClean)
          resolve(isClean)
        }
        send({ type: 'stop' })
      }),
  }
}
