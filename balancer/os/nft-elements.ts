// Elements of maps of nftables over netlink, without the program nft: listed, added, replaced and removed while rules change
// the same map. The only file that does so.

import { setImmediate as turn } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { callClose, lastError } from './libc.ts'
import { openNetfilterSocket, sendToNetfilter } from './netfilter-socket.ts'
import {
  type BatchWriter,
  batchWriter,
  type ElementToAdd,
  elementReader,
  listRequest,
  mostTwins,
  type NftElement,
  type NftMap,
} from './nft-element-message.ts'
import { done, type Outcome, refused } from './outcome.ts'
import { receiveInto } from './socket.ts'

export type { ElementToAdd, NftElement, NftMap } from './nft-element-message.ts'

/**
 * Requests about elements, carried out one after the other. Those that change something tell for each element whether it was
 * done, and bring what they can into force, in transactions of some hundred elements. `ENOENT`: there is no such map.
 */
export type NftElements = {
  /**
   * Calls `visit` for each element, in slices of a few milliseconds; `at`: when the kernel listed it, by performance.now(). The
   * kernel finds its place again by counting from the beginning: while packets add and remove elements a list may lack
   * some, and have some twice. `isTorn`: rules were changed meanwhile as well, and many may be missing.
   */
  readonly dump: (
    map: NftMap,
    visit: (element: NftElement, at: number) => void,
  ) => Promise<Outcome<{ readonly isTorn: boolean }>>
  /** Adds those whose key is not there; one that is there with this value is done, too. A full map takes no more. */
  readonly add: (map: NftMap, elements: readonly ElementToAdd[]) => Promise<Outcome<readonly boolean[]>>
  /** Removes each and adds it anew at the same moment; one that is gone stays gone. */
  readonly replace: (map: NftMap, elements: readonly ElementToAdd[]) => Promise<Outcome<readonly boolean[]>>
  /** Adds each, in place of what is there. */
  readonly put: (map: NftMap, elements: readonly ElementToAdd[]) => Promise<Outcome<readonly boolean[]>>
  /** Removes those that are there. */
  readonly remove: (map: NftMap, keys: readonly Uint8Array[]) => Promise<Outcome<readonly boolean[]>>
  readonly close: () => void
}

type Kind = 'add' | 'replace' | 'put' | 'remove'
/** What is to be done with one element. `removals`: how many of its key are removed first, which changes when a packet was quicker. */
type Task = { readonly index: number; readonly key: Uint8Array; readonly adds: ElementToAdd | null; removals: number }
/** Of a transaction: it is in force, or nothing of it is and these are left to try, or it asked for too much at once. */
type Attempt = { readonly kind: 'in-force' | 'too-large' } | { readonly kind: 'failed'; readonly left: readonly Task[] }

const receiveBuffer = 4 * 1024 * 1024
const longestDatagram = 64 * 1024
/** Bytes of one transaction. Others who change rules wait for as long as it takes. */
const usualRoom = 48 * 1024
/** How long one turn of the loop may last, in milliseconds. */
const slice = 5
/** How often a transaction is tried without those that failed, before it is cut in two. */
const mostTries = 3
const noEntry = -2
/** EEXIST; EBUSY where the value is another one. */
const isThere = new Set([-17, -16])
/** ENFILE */
const mapIsFull = -23
/** EINTR, EAGAIN, ENOMEM */
const passing = new Set([-4, -11, -12])
const passingCodes = new Set(['EMSGSIZE', 'ENOBUFS', 'ENOMEM'])

/** Opens the way. Needs the capability net_admin. `roomBytes` is for tests. */
export const openNftElements = (roomBytes: number = usualRoom): Outcome<NftElements> => {
  const opened = openNetfilterSocket(0, receiveBuffer)
  if (!opened.ok) return failed('reach the maps of nftables', opened.code)
  const fd = opened.value
  const buffer = new Uint8Array(longestDatagram)
  const read = elementReader(buffer)
  let isOpen = true
  let sequence = 0
  let until = 0
  const next = (): number => {
    sequence = (sequence + 1) >>> 0
    return sequence
  }
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<Outcome<T>>): Promise<Outcome<T>> => {
    const worked = last.then(() => (isOpen ? work() : failed<T>('reach the maps of nftables', 'EBADF')))
    last = worked
    return worked
  }

  /**
   * The kernel carries out a transaction before the call that sends it returns; its complaints, errors by sequence, are there
   * then. `null`: there were so many that some are lost.
   */
  const complaintsAbout = (bytes: Uint8Array): Outcome<ReadonlyMap<number, number> | null> => {
    const sent = sendToNetfilter(fd, bytes)
    if (!sent.ok) return sent
    const complaints = new Map<number, number>()
    let areAll = true
    for (;;) {
      const length = receiveInto(fd, buffer)
      if (length > 0) {
        read(0, length, (message) => {
          if (message.kind === 'answer' && message.error !== 0) complaints.set(message.sequence, message.error)
        })
        continue
      }
      const code = lastError()
      if (code === 'EAGAIN') return { ok: true, value: areAll ? complaints : null }
      if (code === 'ENOBUFS') areAll = false
      else if (code !== 'EINTR') return refused(code, code)
    }
  }

  /** One transaction with all these. */
  const attempt = (kind: Kind, tasks: readonly Task[], writer: BatchWriter): Outcome<Attempt> => {
    const written = new Map<number, { readonly task: Task; readonly isRemoval: boolean }>()
    writer.begin(next())
    for (const task of tasks) {
      for (let i = 0; i < task.removals; i += 1) {
        writer.remove(next(), task.key)
        written.set(sequence, { task, isRemoval: true })
      }
      if (task.adds !== null) {
        writer.add(next(), task.adds)
        written.set(sequence, { task, isRemoval: false })
      }
    }
    const complaints = complaintsAbout(writer.end(next()))
    if (!complaints.ok && !passingCodes.has(complaints.code)) return complaints
    if (!complaints.ok || complaints.value === null) return { ok: true, value: { kind: 'too-large' } }
    if (complaints.value.size === 0) return { ok: true, value: { kind: 'in-force' } }
    const settled = new Set<Task>()
    for (const [at, error] of complaints.value) {
      const found = written.get(at)
      if (passing.has(error)) return { ok: true, value: { kind: 'too-large' } }
      if (found?.isRemoval === true && error === noEntry) {
        found.task.removals -= 1
        if (kind !== 'put' && found.task.removals === 0) settled.add(found.task)
      } else if (found !== undefined && isThere.has(error)) {
        if (kind === 'add') settled.add(found.task)
        else found.task.removals = Math.min(found.task.removals + 1, tasks.length === 1 ? mostTwins : 1)
      } else if (found !== undefined && error === mapIsFull) settled.add(found.task)
      else return refused(getSystemErrorName(error), getSystemErrorName(error))
    }
    return { ok: true, value: { kind: 'failed', left: tasks.filter((task) => !settled.has(task)) } }
  }

  /** Brings what can be into force, with at most `mostTries` transactions for each of at most twice as many parts. */
  const settle = async (
    kind: Kind,
    tasks: readonly Task[],
    writer: BatchWriter,
    wasDone: boolean[],
  ): Promise<Outcome> => {
    let left = tasks
    for (let tries = 0; tries < mostTries && left.length > 0; tries += 1) {
      const tried = attempt(kind, left, writer)
      if (!tried.ok) return tried
      if (performance.now() > until) {
        await turn()
        until = performance.now() + slice
      }
      if (tried.value.kind === 'in-force') {
        for (const { index } of left) wasDone[index] = true
        return done
      }
      if (tried.value.kind === 'failed') left = tried.value.left
      else if (left.length === 1) return refused('ENOMEM', 'ENOMEM')
      else break
    }
    if (left.length < 2) return done
    const half = left.length >> 1
    const first = await settle(kind, left.slice(0, half), writer, wasDone)
    return first.ok ? settle(kind, left.slice(half), writer, wasDone) : first
  }

  const change = (
    kind: Kind,
    map: NftMap,
    elements: readonly { readonly key: Uint8Array; readonly adds: ElementToAdd | null }[],
  ): Promise<Outcome<readonly boolean[]>> =>
    inTurn(async () => {
      const wasDone = elements.map(() => false)
      const [first] = elements
      if (first === undefined) return { ok: true, value: wasDone }
      const writer = batchWriter(map, first.key.length, roomBytes)
      until = performance.now() + slice
      for (let at = 0; at < elements.length; at += writer.places) {
        const tasks = elements
          .slice(at, at + writer.places)
          .map((element, i) => ({ ...element, index: at + i, removals: kind === 'add' ? 0 : 1 }))
        const settled = await settle(kind, tasks, writer, wasDone)
        if (!settled.ok) return failed(`change the map ${map.name}`, settled.code)
      }
      return { ok: true, value: wasDone }
    })
  const additions = (elements: readonly ElementToAdd[]) => elements.map((adds) => ({ key: adds.key, adds }))
  return {
    ok: true,
    value: {
      dump: (map, visit) => inTurn(() => dump(map, visit)),
      add: (map, elements) => change('add', map, additions(elements)),
      replace: (map, elements) => change('replace', map, additions(elements)),
      put: (map, elements) => change('put', map, additions(elements)),
      remove: (map, keys) =>
        change(
          'remove',
          map,
          keys.map((key) => ({ key, adds: null })),
        ),
      close: () => {
        if (isOpen) callClose(fd)
        isOpen = false
      },
    },
  }
}

/** On a socket of its own: what is left of a list that was given up would pass for answers. */
const dump: NftElements['dump'] = async (map, visit) => {
  const opened = openNetfilterSocket(0, receiveBuffer)
  if (!opened.ok) return failed(`list the map ${map.name}`, opened.code)
  const fd = opened.value
  try {
    const listed = await readList(fd, map, visit)
    return listed.ok ? listed : failed(`list the map ${map.name}`, listed.code)
  } finally {
    callClose(fd)
  }
}

const readList = async (
  fd: number,
  map: NftMap,
  visit: (element: NftElement, at: number) => void,
): Promise<Outcome<{ readonly isTorn: boolean }>> => {
  // The kernel fills the first part at once, and each further one when the one before is taken.
  let listedAt = performance.now()
  const sent = sendToNetfilter(fd, listRequest(1, map))
  if (!sent.ok) return sent
  const buffer = new Uint8Array(longestDatagram)
  const read = elementReader(buffer)
  let [isOver, isTorn, error] = [false, false, 0]
  for (let until = listedAt + slice; !isOver; ) {
    const at = listedAt
    listedAt = performance.now()
    const length = receiveInto(fd, buffer)
    if (length <= 0) {
      const code = lastError()
      if (code === 'ENOBUFS') isTorn = true
      else if (code !== 'EINTR') return refused(code, code)
      continue
    }
    read(0, length, (message) => {
      if (message.kind === 'element') visit(message.element, at)
      else if (message.kind === 'torn') isTorn = true
      else {
        isOver = true
        error = message.error
      }
    })
    if (performance.now() > until) {
      await turn()
      until = performance.now() + slice
    }
  }
  // EINTR as the end of a list: as torn.
  if (error === 0 || passing.has(error)) return { ok: true, value: { isTorn: isTorn || error !== 0 } }
  return refused(getSystemErrorName(error), getSystemErrorName(error))
}

const advice: Readonly<Record<string, string>> = {
  EPERM: 'needs the capability net_admin',
  ENOENT: 'there is no such map',
  EBADF: 'the way to it is closed',
}
const failed = <T>(what: string, code: string): Outcome<T> => refused(code, `cannot ${what}: ${advice[code] ?? code}`)
