// Programs that an operator configured: each runs in a session of its own, without a shell, as a given user, for so long.
// The only file that starts them. It waits until the system has done so: `runScript` has a thread that may.

import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { codeOf } from '../core/error-text.ts'
import { oneLine } from '../core/text.ts'
import type { Millis } from '../core/time.ts'
import { searchPath } from './first-line.ts'
import { keepDescriptors } from './libc.ts'
import { programProblem } from './program-file.ts'
import { findUser, type User } from './users.ts'

/** What to run. Without a `user`, whose groups it gets too, it runs as this process. */
export type Script = {
  /** The program, by its absolute path, and its arguments. */
  readonly command: readonly string[]
  readonly user: string | undefined
  readonly timeout: Millis
  readonly environment: Readonly<Record<string, string>>
  /** Whether to keep the last line that it prints; else it prints into the void. */
  readonly keepOutput: boolean
}

/** How it ended. `lastLine` is the last line it printed, in at most 200 characters; null where it said nothing. */
export type ScriptResult = { readonly ok: boolean; readonly text: string; readonly lastLine: string | null }

/**
 * A running script. `result` comes with its end, or as soon as its time is up; `ended` when it is surely gone. Neither
 * rejects. `kill` ends it with everything it started.
 */
export type RunningScript = {
  readonly result: Promise<ScriptResult>
  readonly ended: Promise<void>
  readonly kill: () => void
}

const longestLine = 200
const tailBytes = 4096
/** Who prints more is read slowly: a flood must not keep this process from its work. */
const freeBytes = 64 * 1024
const floodPause = 50
/** What was printed last may arrive after the end. */
const outputGrace = 50

/** Starts a script. Never throws: that it cannot be started is a result. */
export const startScript = ({ command, user: name, timeout, environment, keepOutput }: Script): RunningScript => {
  const output = keepOutput ? 'pipe' : 'ignore'
  let child: ChildProcess
  try {
    const user = name === undefined ? undefined : findUser(name)
    if (user === undefined && name !== undefined) return notStarted(new Error(`there is no user ${name}`))
    // It was good when the configuration was read; somebody may have been at it since.
    const problem = programProblem(command[0] ?? '', name)
    if (problem !== undefined) return notStarted(new Error(problem))
    // The environment of this process is its own business.
    const env = { PATH: searchPath, LANG: 'C.UTF-8', ...(user === undefined ? {} : identity(user)), ...environment }
    // The module of the raw sockets leaves them open for whatever is started: a script could speak VRRP.
    keepDescriptors()
    child = spawn(setpriv, [...privileges(user), '--', ...command], {
      cwd: '/',
      detached: true,
      env,
      stdio: ['ignore', output, output],
    })
  } catch (error) {
    return notStarted(error)
  }
  const lines = [child.stdout, child.stderr].map(keepTail)

  const kill = (): void => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
  }
  let limit: NodeJS.Timeout | undefined
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const lastLine = (): string | null => lines.flatMap((line) => line() ?? []).at(-1) ?? null
  const result = new Promise<ScriptResult>((resolve) => {
    const overrun = (): void => {
      kill()
      resolve({ ok: false, text: `timed out after ${timeout} ms`, lastLine: lastLine() })
    }
    limit = setTimeout(() => {
      // Timers fire before anything else: after a stall of this process the end may have come long ago.
      const late = setImmediate(overrun)
      child.once('exit', () => clearImmediate(late))
    }, timeout)
    child.once('error', (error) =>
      resolve({ ok: false, text: `could not be started: ${setpriv}: ${codeOf(error)}`, lastLine: null }),
    )
    child.once('exit', (code, signal) => {
      clearTimeout(limit)
      const how =
        signal === null ? `exited with status ${code}${meanings[code ?? 0] ?? ''}` : `killed by signal ${signal}`
      const settle = (): void => resolve({ ok: code === 0, text: how, lastLine: lastLine() })
      if (!keepOutput) settle()
      else {
        const late = setTimeout(settle, outputGrace)
        child.once('close', () => {
          clearTimeout(late)
          settle()
        })
      }
    })
  })
  void result.then(() => clearTimeout(limit))
  return { result, ended, kill }
}

/**
 * setpriv(1) becomes the program, so that process group, signals and exit status are the program's. When this process dies
 * the kernel kills it: nobody would look at its time any more, and the next process may run the same script.
 */
const setpriv = '/usr/bin/setpriv'
const privileges = (user: User | undefined): readonly string[] => [
  '--pdeathsig=KILL',
  ...(user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--inh-caps=-all']),
]

/** The statuses of setpriv, and of shells, for what cannot be run. */
const meanings: Readonly<Record<number, string>> = {
  126: ': it, or what it calls, cannot be executed',
  127: ': it, or what it calls, is not there',
}

const identity = ({ name, home }: User) => ({ HOME: home, USER: name, LOGNAME: name })

const notStarted = (error: unknown): RunningScript => ({
  result: Promise.resolve({ ok: false, text: `could not be started: ${codeOf(error)}`, lastLine: null }),
  ended: Promise.resolve(),
  kill: () => undefined,
})

/** Reads a stream to its end and remembers its last line. What a script left running may hold it open for ever. */
const keepTail = (stream: Readable | null | undefined): (() => string | null) => {
  // Undefined, whatever the types say, where no file can be opened any more.
  if (stream === null || stream === undefined) return () => null
  let tail = Buffer.alloc(0)
  let read = 0
  stream.on('error', () => undefined)
  stream.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-tailBytes)
    read += chunk.length
    if (read < freeBytes) return
    stream.pause()
    setTimeout(() => stream.resume(), floodPause).unref()
  })
  if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
  return () => {
    const line = tail.toString('utf8').trimEnd().split('\n').at(-1)?.trim() ?? ''
    const shown = oneLine(line, longestLine)
    return shown === '' ? null : shown
  }
}
