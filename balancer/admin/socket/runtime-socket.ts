// The runtime socket: its place in the file system, who may connect to it, and how many do.

import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { FailedStart } from '../../core/failed-start.ts'
import { findGroup } from '../../os/users.ts'
import type { Level } from '../core/commands/command.ts'
import { type Conversation, converse, createNextTurn, type RunCommand } from './conversation.ts'

/** Where the socket is, what its clients may do, and who may connect to it beside its owner: `mode` as chmod(2) has it. */
export type SocketPlace = {
  readonly path: string
  readonly level: Level
  readonly mode: number
  readonly group?: string | undefined
}

/** The running socket. */
export type RuntimeSocket = {
  /** Another process may take the path: what is there is not looked at until `look`. */
  readonly yield: () => void
  /** Looks now, and not only every two seconds, whether it is still at its path, and puts it there again. */
  readonly look: () => void
  /** Another process has the path. Resolves when those who are being answered have their answers. */
  readonly retire: () => Promise<void>
  /** Goes on at the same path with another level for who connects from now on, another mode or group. Throws `FailedStart`. */
  readonly change: (place: SocketPlace) => void
  readonly stop: () => void
}

const ownerOnly = 0o177
const maximumConnections = 64
/** Characters that wait for all who read slowly: some answers of a thousand servers. */
const mostUnread = 32_000_000
/** Whoever finds more than these before it is told to try again, and most programs do not. */
const mostWaiting = 4096

/** How long somebody may take to say a command and to read the answer, and how often the socket is looked for. */
type Limits = { readonly idle: number; readonly look: number; readonly takesOver?: boolean }
/** For those who have not read their answer when another process takes over. */
const [longestGoodbye, goodbyeLook] = [2000, 20]
const usual: Limits = { idle: 30_000, look: 2000 }

/**
 * Listens at a path. A socket that a dead balancer left is replaced; a living one is a `FailedStart`.
 * Where the socket is deleted it is made again. With `takesOver` the living one is of the process whose place this one takes,
 * and the path changes hands in one step.
 */
export const startRuntimeSocket = async (
  first: SocketPlace,
  run: RunCommand,
  log: Logger,
  limits: Partial<Limits> = {},
): Promise<RuntimeSocket> => {
  const { path } = first
  const { idle, look, takesOver } = { ...usual, ...limits }
  let place = first
  const answering = new Map<Socket, Conversation>()
  /** Who has had an answer for the longest time and does not read it makes room for those who do. */
  const onTold = (): void => {
    const behind = [...answering].filter(([, { unread }]) => unread() > 0)
    const all = behind.reduce((sum, [, { unread }]) => sum + unread(), 0)
    const [longest, ...others] = behind.toSorted(([, one], [, other]) => one.spokenAt() - other.spokenAt())
    if (all > mostUnread && others.length > 0) longest?.[0].destroy()
  }
  const company = { nextTurn: createNextTurn(), onTold }
  if (takesOver !== true && (await isAnswering(path))) {
    throw new FailedStart(`another balancer answers at ${path}; stop it, or give this one its own admin.socket`)
  }
  const onConnection = (socket: Socket): void => {
    // Who connects without end takes places from itself, not from those who say something.
    if (answering.size >= maximumConnections) {
      const leaving = leastWanted(answering) ?? socket
      answering.delete(leaving)
      leaving.destroy()
      if (leaving === socket) return
    }
    answering.set(socket, converse(socket, run, { level: place.level, by: `an operator at ${path}`, idle }, company))
    socket.once('close', () => answering.delete(socket))
  }
  const open = () => listen(place, onConnection, log)
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
    change: (next) => {
      try {
        if (isSocket(path)) permit(path, next)
      } catch (error) {
        throw new FailedStart(`cannot change who may use ${path}: ${textOf(error)}; change admin.socket`)
      }
      place = next
    },
    stop,
  }
}

type Held = { readonly server: Server; readonly inode: number | null }

const listen = (place: SocketPlace, onConnection: (socket: Socket) => void, log: Logger): Promise<Held> =>
  new Promise((resolve, reject) => {
    const { path } = place
    const server = createServer({ allowHalfOpen: true }, onConnection)
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
    server.listen({ path: beside, backlog: mostWaiting }, () => {
      try {
        permit(beside, place)
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

/** Gives a socket its group, and then its mode: nobody gets in between. */
const permit = (path: string, { mode, group }: SocketPlace): void => {
  const { gid } = lstatSync(path)
  const wanted = group === undefined ? (process.getegid?.() ?? gid) : findGroup(group)
  if (wanted === undefined) throw new Error(`there is no group ${group}`)
  if (wanted !== gid) giveTo(path, wanted)
  chmodSync(path, mode)
}

const giveTo = (path: string, gid: number): void => {
  try {
    chownSync(path, process.geteuid?.() ?? 0, gid)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error
    throw new Error('it takes CAP_CHOWN to give it to a group')
  }
}

/** Of those for whom nothing is being done the one that never spoke, or has been silent for the longest time. */
const leastWanted = (all: ReadonlyMap<Socket, Conversation>): Socket | undefined => {
  const idle = [...all].filter(([, conversation]) => !conversation.isBusy())
  const [first] = idle.toSorted(([, one], [, other]) => one.spokenAt() - other.spokenAt())
  return first?.[0]
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Which file is there; null where there is none, or nobody may look. */
const inodeAt = (path: string): number | null => {
  try {
    return lstatSync(path).ino
  } catch {
    return null
  }
}

const isSocket = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true

const isAnswering = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
