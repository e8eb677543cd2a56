// One child of the supervisor: forked, configured, and started again whenever it dies.

import { type ChildProcess, fork } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { type Millis, millis } from '../core/time.ts'
import { type Deaths, type ProcessRole, restartAfter } from './core/processes.ts'
import { type FromChild, parseFromChild, type ToChild } from './messages.ts'

/** A child that is kept running until it is stopped. */
export type SupervisedProcess = {
  readonly send: (message: ToChild) => void
  /** Asks the process to end, and kills it when it has not within the limit. */
  readonly stop: () => Promise<void>
}

export type SupervisedProcessOptions = {
  readonly role: ProcessRole
  readonly log: Logger
  /** The first message of each start; `sinceDeath` is null at the first one. */
  readonly configure: (sinceDeath: Millis | null) => ToChild
  readonly onMessage: (message: FromChild) => void
}

const stopLimitMillis = 3000

/** Starts a child process and keeps it running. */
export const superviseProcess = ({ role, log, configure, onMessage }: SupervisedProcessOptions): SupervisedProcess => {
  const module = fileURLToPath(new URL(`../main/${role}.js`, import.meta.url))
  let child: ChildProcess | undefined
  let deaths: Deaths = []
  let stopping = false
  let restart: NodeJS.Timeout | undefined
  let dead: () => void = () => {}

  const send = (message: ToChild): void => {
    // A child that is just dying takes no more messages; its successor is told everything anew.
    if (child?.connected) child.send(message, () => {})
  }

  const start = (diedAt: Millis | null): void => {
    const started = fork(module, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child = started
    started.on('message', (received: unknown) => {
      const message = parseFromChild(received)
      if (message === undefined) log.error({ process: role, received }, `Process ${role} sent a message nobody knows`)
      else onMessage(message)
    })
    started.on('error', (error) => log.error({ process: role, err: error }, `Process ${role}: ${error.message}`))
    started.once('exit', (code, signal) => {
      if (stopping) return dead()
      const now = millis(performance.now())
      const next = restartAfter(deaths, now)
      deaths = next.deaths
      const reason = signal === null ? `exit code ${code}` : `signal ${signal}`
      log.error(
        { process: role, pid: started.pid, code, signal, delay: next.delay },
        `Process ${role} died (${reason}), starting it again ${next.delay === 0 ? 'at once' : `in ${next.delay} ms`}`,
      )
      restart = setTimeout(() => start(now), next.delay)
    })
    send(configure(diedAt === null ? null : millis(performance.now() - diedAt)))
    log.info({ process: role, pid: started.pid }, `Process ${role} started`)
  }
  start(null)

  return {
    send,
    stop: () =>
      new Promise((resolve) => {
        stopping = true
        clearTimeout(restart)
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return resolve()
        const { pid } = child
        const limit = setTimeout(() => {
          log.error({ process: role, pid }, `Process ${role} did not stop within ${stopLimitMillis} ms, killing it`)
          child?.kill('SIGKILL')
        }, stopLimitMillis)
        dead = () => {
          clearTimeout(limit)
          resolve()
        }
        send({ type: 'stop' })
      }),
  }
}
