// The runtime socket: one command a line from the operator of this host, a text as the answer, then the end.

import { lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { FailedStart } from '../../core/failed-start.ts'
import { plainLines } from '../../core/text.ts'

/** Carries out a command; its answer is shown as it is. Throws `RuntimeError` when the command cannot be carried out. */
export type RuntimeCommand = (words: readonly string[]) => Promise<string> | string

/** A command that was refused; the message says why and what to do. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
}

/** The running socket. */
export type RuntimeSocket = {
  /** Another process may take the path: what is there is not looked at until `look`. */
  readonly yield: () => void
  /** Looks now, and not only every two seconds, whether it is still at its path, and puts it there again. */
  readonly look: () => void
  /** Another process has the path. Resolves when those who are being answered have their answers. */
  readonly retire: () => Promise<void>
  readonly stop: () => void
}

/** Stands at the beginning of an answer that is a refusal. */
export const refusal = 'error: '

const ownerOnly = 0o177
const maximumLineBytes = 4096
const maximumConnections = 32

/** How long somebody may take to say a command and to read the answer, and how often the socket is looked for. */
type Limits = { readonly idle: number; readonly look: number; readonly takesOver?: boolean }
/** For those who have not read their answer when another process takes over. */
const [longestGoodbye, goodbyeLook] = [2000, 20]
const usual: Limits = { idle: 30_000, look: 2000 }

/**
 * Listens at `path` for its owner alone. A socket that a dead balancer left is replaced; a living one is a `FailedStart`.
 * Where the socket is deleted it is made again. With `takesOver` the living one is of the process whose place this one takes,
 * and the path changes hands in one step.
 */
export const startRuntimeSocket = async (
  path: string,
  commands: Readonly<Record<string, RuntimeCommand>>,
  log: Logger,
  limits: Partial<Limits> = {},
): Promise<RuntimeSocket> => {
  const { idle, look, takesOver } = { ...usual, ...limits }
  const answering = new Set<Socket>()
  if (takesOver !== true && (await isAnswering(path))) {
    throw new FailedStart(`another balancer answers at ${path}; stop it, or give this one its own admin.socket`)
  }
  const onConnection = (socket: Socket): void => {
    answering.add(socket)
    socket.once('close', () => answering.delete(socket))
    serve(socket, commands, log, idle)
  }
  const open = () => listen(path, onConnection, log)
  let held = await open().catch((error: Error) => {
    throw new FailedStart(`cannot listen at ${path}: ${error.message}; change admin.socket`)
  })
  let told: string | null = null
  const tell = (trouble: string): void => {
    if (trouble !== told) log.error({ path }, trouble)
    told = trouble
  }
  const lookForIt = async (): Promise<void> => {
    const found = inodeAt(path)
    if (found === held.inode || isYielding) return
    // A socket that answers nobody was left by a process that was to take the place of this one, and did not.
    if (found !== null && (!isSocket(path) || (await isAnswering(path))))
      return tell(`Something else is at ${path}: no command reaches this balancer until it is removed`)
    // Those who are being answered keep their connections.
    release()
    try {
      held = await open()
      told = null
      log.warn({ path }, `The runtime socket ${path} was deleted; it is there again`)
    } catch (error) {
      tell(`The runtime socket ${path} was deleted and cannot be made again: ${String(error)}`)
    }
    if (isStopped) release()
  }
  /** What is at the path may be another process's by now. */
  const release = (): void => {
    if (inodeAt(path) === held.inode) rmSync(path, { force: true })
    held.server.close()
  }
  let isStopped = false
  let isYielding = false
  let looking: NodeJS.Timeout | undefined
  const lookAgain = (): void => {
    looking = setTimeout(() => void lookForIt().then(() => isStopped || lookAgain()), look)
  }
  lookAgain()
  const stop = (): void => {
    isStopped = true
    clearTimeout(looking)
    release()
  }
  return {
    yield: () => {
      isYielding = true
    },
    look: () => {
      isYielding = false
      void lookForIt()
    },
    retire: async () => {
      stop()
      const end = performance.now() + longestGoodbye
      while (answering.size > 0 && performance.now() < end) await wait(goodbyeLook)
    },
    stop,
  }
}

type Held = { readonly server: Server; readonly inode: number | null }

const listen = (path: string, onConnection: (socket: Socket) => void, log: Logger): Promise<Held> =>
  new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, onConnection)
    server.maxConnections = maximumConnections
    server.once('error', reject)
    // Made beside its place and moved there in one step: who asks meanwhile finds the old one or the new one, never none.
    const beside = join(dirname(path), `.${process.pid}.sock`)
    try {
      // What is there is removed only when it is a socket: a slip of the pen must not cost a file.
      mkdirSync(dirname(path), { recursive: true })
      const found = lstatSync(path, { throwIfNoEntry: false })
      if (found !== undefined && !found.isSocket()) throw new Error('something is there that is no socket')
      rmSync(beside, { force: true })
    } catch (error) {
      reject(error)
      return
    }
    // The mask, and not a chmod afterwards: nobody else gets in between.
    const mask = process.umask(ownerOnly)
    server.listen(beside, () => {
      try {
        renameSync(beside, path)
      } catch (error) {
        server.close()
        reject(error)
        return
      }
      server.removeListener('error', reject)
      server.on('error', (error) => log.warn({ err: error }, 'The runtime socket could not accept a command'))
      resolve({ server, inode: inodeAt(path) })
    })
    process.umask(mask)
  })

/** Which file is there; null where there is none, or nobody may look. */
const inodeAt = (path: string): number | null => {
  try {
    return lstatSync(path).ino
  } catch {
    return null
  }
}

const isSocket = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true

const serve = (
  socket: Socket,
  commands: Readonly<Record<string, RuntimeCommand>>,
  log: Logger,
  idleMillis: number,
): void => {
  let text = ''
  let isAnswered = false
  const answer = (line: string): void => {
    isAnswered = true
    // However long it takes: a reload waits for processes that are late.
    socket.setTimeout(0)
    void run(line, commands, log).then((result) => {
      socket.setTimeout(idleMillis)
      // It is shown on a terminal, and has words of servers and agents in it.
      socket.end(`${plainLines(result.trimEnd())}\n`)
    })
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
