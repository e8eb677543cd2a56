// The runtime socket: one command a line from the operator of this host, a text as the answer, then the end.

import { lstatSync, mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import { FailedStart } from '../core/failed-start.ts'

/** Carries out a command; its answer is shown as it is. Throws `RuntimeError` when the command cannot be carried out. */
export type RuntimeCommand = (words: readonly string[]) => Promise<string> | string

/** A command that was refused; the message says why and what to do. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
}

/** The running socket. */
export type RuntimeSocket = { readonly stop: () => void }

/** Stands at the beginning of an answer that is a refusal. */
export const refusal = 'error: '

const ownerOnly = 0o177
const maximumLineBytes = 4096
const maximumConnections = 32
const idleMillis = 30_000

/** Listens at `path` for its owner alone. A socket that a dead balancer left is replaced; a living one is a `FailedStart`. */
export const startRuntimeSocket = async (
  path: string,
  commands: Readonly<Record<string, RuntimeCommand>>,
  log: Logger,
): Promise<RuntimeSocket> => {
  if (await isAnswering(path)) {
    throw new FailedStart(`another balancer answers at ${path}; stop it, or give this one its own admin.socket`)
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, commands, log))
  server.maxConnections = maximumConnections
  await new Promise<void>((resolve, reject) => {
    const refused = (error: Error): void =>
      reject(new FailedStart(`cannot listen at ${path}: ${error.message}; change admin.socket`))
    server.once('error', refused)
    try {
      // What is there is removed only when it is a socket: a slip of the pen must not cost a file.
      mkdirSync(dirname(path), { recursive: true })
      const found = lstatSync(path, { throwIfNoEntry: false })
      if (found !== undefined && !found.isSocket()) throw new Error('something is there that is no socket')
      rmSync(path, { force: true })
    } catch (error) {
      refused(error instanceof Error ? error : new Error(String(error)))
      return
    }
    // The mask, and not a chmod afterwards: nobody else gets in between.
    const mask = process.umask(ownerOnly)
    server.listen(path, () => {
      server.removeListener('error', refused)
      server.on('error', (error) => log.warn({ err: error }, 'The runtime socket could not accept a command'))
      resolve()
    })
    process.umask(mask)
  })
  return {
    stop: () => {
      server.close()
    },
  }
}

const serve = (socket: Socket, commands: Readonly<Record<string, RuntimeCommand>>, log: Logger): void => {
  let text = ''
  let isAnswered = false
  const answer = (line: string): void => {
    isAnswered = true
    void run(line, commands, log).then((result) => socket.end(`${result.trimEnd()}\n`))
  }
  socket.setEncoding('utf8')
  socket.setTimeout(idleMillis, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    if (isAnswered) return
    text += chunk
    const end = text.indexOf('\n')
    if (end >= 0) answer(text.slice(0, end))
    else if (text.length > maximumLineBytes) answer('')
  })
  socket.on('end', () => {
    if (!isAnswered) answer(text)
  })
}

const run = async (line: string, commands: Readonly<Record<string, RuntimeCommand>>, log: Logger): Promise<string> => {
  const [word = '', ...words] = line.trim().split(/\s+/)
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined
  if (command === undefined) return `${refusal}unknown command; there are: ${Object.keys(commands).join(', ')}`
  try {
    return await command(words)
  } catch (error) {
    if (error instanceof RuntimeError) return `${refusal}${error.message}`
    log.error({ err: error, command: line }, 'A runtime command failed')
    return `${refusal}the balancer could not carry it out; its log says why`
  }
}

const isAnswering = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
