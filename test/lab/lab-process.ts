// One long-running program of a lab: its output, its signals, its end.

import { type ChildProcess, type SendHandle, type Serializable, spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { environment } from './environment.ts'
import { familyOf } from './proc.ts'
import { type Patience, waitFor } from './wait-for.ts'

/** How a process ended: one of the two is set. */
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** What a spawned program gets beside its arguments. `user` drops root; `ipc` opens a channel for messages. */
export type SpawnOptions = {
  readonly env?: Readonly<Record<string, string>>
  readonly user?: string
  readonly cwd?: string
  readonly ipc?: boolean
}

/** A program that the lab started. */
export type LabProcess = {
  readonly name: string
  readonly pid: number
  /** The file that receives every line the program prints. */
  readonly logFile: string
  /** The last lines of its standard output and standard error, oldest first. */
  readonly lines: () => readonly string[]
  readonly isRunning: () => boolean
  /** Settles when the process is gone and what it printed has been read. */
  readonly exited: Promise<Exit>
  readonly signal: (signal: NodeJS.Signals) => void
  /** SIGTERM, and SIGKILL if it is not gone within `grace` milliseconds (10 s). */
  readonly stop: (grace?: number) => Promise<Exit>
  /** SIGKILL to this process alone. */
  readonly kill: () => Promise<Exit>
  /** SIGSTOP to the process and all its descendants, as if the host gave it no processor time. */
  readonly stall: () => void
  /** SIGCONT to the process and all its descendants. */
  readonly resume: () => void
  /** The first match in a line printed since the start; throws when the process ends without printing one. */
  readonly waitForOutput: (pattern: RegExp, patience?: Patience) => Promise<RegExpMatchArray>
  readonly send: (message: Serializable, handle?: SendHandle) => void
  readonly onMessage: (listener: (message: unknown, handle?: unknown) => void) => void
}

const keptLines = 1000
const stopGrace = 30_000
const outputGrace = 300
const outputLookInterval = 20

/** `command` with the words that make it die with its owner, and drop root if a user is named. Exec only, no fork. */
export const boundToOwner = (command: string, args: readonly string[], user?: string): readonly string[] => [
  'setpriv',
  ...(user === undefined ? [] : ['--reuid', user, '--regid', user, '--clear-groups']),
  '--pdeathsig',
  'KILL',
  '--',
  command,
  ...args,
]

const forEachInFamily = (pid: number, signal: NodeJS.Signals): void => {
  for (const member of familyOf(pid)) {
    try {
      process.kill(member, signal)
    } catch {
      // Gone since the look: nothing left to signal.
    }
  }
}

/** Starts `words` in a session of its own, so that Ctrl-C in the terminal reaches the owner alone. */
export const startProcess = (
  name: string,
  words: readonly string[],
  logFile: string,
  { env, cwd, ipc = false }: SpawnOptions,
): LabProcess => {
  const [command = '', ...args] = words
  const child: ChildProcess = spawn(command, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : [])],
    detached: true,
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${command} could not be started`)

  const lines: string[] = []
  let isOver = false
  const follow = (output: Readable): void => {
    createInterface({ input: output }).on('line', (line) => {
      lines.push(line)
      if (lines.length > keptLines) lines.shift()
      try {
        appendFileSync(logFile, `${line}\n`)
      } catch (error) {
        // What a descendant says when this process is over may come after its lab is gone.
        if (!isOver) throw error
      }
    })
  }
  if (child.stdout) follow(child.stdout)
  if (child.stderr) follow(child.stderr)

  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      const end = (): void => {
        isOver = true
        resolve({ code, signal })
      }
      // The last lines may still be in the pipe; a descendant that lives on may hold it open for ever. Where we had no processor for
      // so long, this timer comes before what is there to be read: a second one comes behind it.
      let enough = setTimeout(() => {
        enough = setTimeout(end, outputLookInterval)
      }, outputGrace)
      child.once('close', () => {
        clearTimeout(enough)
        end()
      })
    })
  })
  const signal = (name: NodeJS.Signals): void => {
    child.kill(name)
  }

  return {
    name,
    pid,
    logFile,
    lines: () => [...lines],
    isRunning,
    exited,
    signal,
    stop: async (grace = stopGrace) => {
      signal('SIGTERM')
      const lastResort = setTimeout(() => signal('SIGKILL'), grace)
      const exit = await exited
      clearTimeout(lastResort)
      return exit
    },
    kill: () => {
      signal('SIGKILL')
      return exited
    },
    stall: () => forEachInFamily(pid, 'SIGSTOP'),
    resume: () => forEachInFamily(pid, 'SIGCONT'),
    waitForOutput: async (pattern, patience) => {
      const found = await waitFor(
        `${name} to print ${pattern}`,
        () => {
          for (const line of lines) {
            const match = line.match(pattern)
            if (match) return match
          }
          return isOver ? 'ended' : undefined
        },
        { interval: outputLookInterval, ...patience },
      )
      if (found === 'ended') throw new Error(`${name} ended without printing ${pattern}:\n${lines.join('\n')}`)
      return found
    },
    send: (message, handle) => {
      child.send(message, handle)
    },
    onMessage: (listener) => {
      child.on('message', listener)
    },
  }
}
