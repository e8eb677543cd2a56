// The commands that ask a running balancer: their words go over its runtime socket, its answer to the terminal.

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { parse } from 'yaml'
import { isRefusal, refusal } from '../admin/core/commands/command.ts'
import { defaultSocket } from '../config/places.ts'
import { codeOf, textOf } from '../core/error-text.ts'
import { longestReload } from '../supervisor/core/processes.ts'
import { longestSuccession } from '../supervisor/core/succession.ts'

/** A reload may have to wait for another one, or for a replacement, and that for a reload. */
const answerLimit = (command: string | undefined): number =>
  command === 'reexec' || command === 'reload'
    ? longestReload + Math.max(longestReload, longestSuccession)
    : 2 * longestReload

/** Sends one command to the balancer that runs with the configuration `file`; 0, or 1 where it refused or is not there. */
export const askRunning = async (file: string, words: readonly string[]): Promise<number> => {
  const heard = await hearRunning(file, words, answerLimit(words[0]))
  if (heard.ok) process.stdout.write(heard.text)
  else process.stderr.write(`balancer: ${heard.text}\n`)
  return heard.ok ? 0 : 1
}

/** What a balancer said; or why it did not, because it refused or otherwise. */
type Heard =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly isRefused: boolean; readonly text: string }

/** How long `check` waits, milliseconds: not for a balancer that hangs. */
export const checkLimit = 2000

/** How long a view waits for an answer, milliseconds: one that comes later would be of another time. */
export const viewLimit = 5000

/** What a balancer says within `limit` milliseconds that runs with `file`. */
export const hearRunning = async (file: string, words: readonly string[], limit: number): Promise<Heard> => {
  const { path: socket, isGuess } = placeOf(file)
  try {
    const answer = await exchange(socket, words.join(' '), limit)
    if (!isRefusal(answer)) return { ok: true, text: answer }
    return { ok: false, isRefused: true, text: withoutRefusal(answer).trimEnd() }
  } catch (error) {
    return { ok: false, isRefused: false, text: socketTrouble(error, socket, limit, isGuess ? file : null) }
  }
}

const withoutRefusal = (answer: string): string => (answer.startsWith(refusal) ? answer.slice(refusal.length) : answer)

type WrittenSocket = { readonly path: string; readonly level?: unknown }

/** Where the balancer listens that runs with `file`; see `placeOf`. */
export const socketOf = (file: string): string => placeOf(file).path

/**
 * The same, and whether it is only the usual place, since the file is not there or says nothing that could be read. One that is being
 * edited may be broken, and what it started runs on. Read without a schema: zod would take as long to load as all else that a command
 * needs.
 */
const placeOf = (file: string): { readonly path: string; readonly isGuess: boolean } => {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
    const { admin }: { readonly admin?: { readonly socket?: unknown } | null } = parse(text)
    const all = [admin?.socket].flat().map((one) => (typeof one === 'string' ? { path: one } : (one as WrittenSocket)))
    const known = all.filter((one) => typeof one?.path === 'string')
    const path = (known.find(({ level = 'admin' }) => level === 'admin') ?? known[0])?.path
    return { path: path ?? defaultSocket, isGuess: false }
  } catch {
    const [, path] = socketInText.exec(text) ?? []
    return path === undefined ? { path: defaultSocket, isGuess: true } : { path, isGuess: false }
  }
}

/** The first socket in a text that is no YAML just now. */
const socketInText = /^[^#\n]*\b(?:socket|path): *['"]?(\/[^\s'",}\]]+\.sock)\b/m

/** Whether a balancer listens at this socket. */
export const answersAt = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })

const exchange = (path: string, line: string, limit: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.end(`${line}\n`))
    let answer = ''
    socket.setEncoding('utf8')
    socket.setTimeout(limit, () => socket.destroy(Object.assign(new Error('late'), { code: 'LATE' })))
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.once('error', reject)
    // Every answer ends with an empty line: without it the balancer went away in the middle.
    socket.once('end', () =>
      answer === '\n' || answer.endsWith('\n\n')
        ? resolve(answer.slice(0, -1))
        : reject(new Error('it ended without an answer')),
    )
  })

/** `unread`: the file that should tell where it listens, and cannot be read. */
const socketTrouble = (error: unknown, socket: string, limit: number, unread: string | null): string => {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return unread === null
        ? `no balancer answers at ${socket}; is it running? systemctl status balancer`
        : `no balancer answers at ${socket}, the usual place: ${unread} cannot be read; run: balancer check`
    case 'EACCES':
      return `not permitted to talk to ${socket}; run it as root`
    case 'LATE':
      return `no answer from ${socket} within ${limit / 1000} s; what was asked for may still be done: look at the log`
    default:
      return `no answer from ${socket}: ${textOf(error)}`
  }
}
