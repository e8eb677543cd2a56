// Connection tracking of the kernel through ctnetlink: what begins, changes and ends is heard of, entries are listed and
// deleted. The only file that speaks it. Events are read each few milliseconds: a call per event would cost more.

import { setImmediate as turn } from 'node:timers/promises'
import {
  attributesOffset,
  type ConntrackEntry,
  type ConntrackMessage,
  conntrackReader,
  deleteRequest,
  destroyType,
  type EntryKey,
  listRequest,
  type MarkFilter,
  markType,
  type TcpState,
  tcpStatePath,
  tcpStates,
  timeoutRequest,
} from './conntrack-message.ts'
import { createDatagramBatch } from './datagram-batch.ts'
import { callClose, lastError } from './libc.ts'
import { openNetfilterSocket, sendToNetfilter } from './netfilter-socket.ts'
import { attributeHeaderBytes, typeOffset } from './netlink-message.ts'
import { type Outcome, refused } from './outcome.ts'
import { receiveInto } from './socket.ts'
import {
  andConstant,
  giveBack,
  instruction,
  jumpIfEqual,
  loadByteAtIndex,
  loadConstant,
  loadHalf,
  loadIndex,
  loadWord,
  loadWordAtIndex,
  moveToIndex,
  type SocketFilter,
  socketFilter,
  wholePacket,
} from './socket-filter.ts'

/** What happens to the entries with a mark. Entries are valid only during the call. */
export type ConntrackListener = {
  /**
   * An entry began, was destroyed, or came to be established or to its end: changes between are left to the kernel. The
   * same one may come more than once. `at`: when it was read, by performance.now().
   */
  readonly onEntry: (entry: ConntrackEntry, at: number) => void
  /** The kernel had more to tell than the socket could hold: list again. */
  readonly onOverrun: () => void
  /** The socket is closed and stays so. */
  readonly onFailure: (text: string) => void
}

/** A subscription to the events. */
export type ConntrackEvents = {
  /** Reads all that has happened until now. */
  readonly drain: () => void
  readonly close: () => void
}

/** Requests about entries. */
export type Conntrack = {
  /**
   * Calls `visit` for each entry with the mark, in slices of a few milliseconds. `isTorn`: the table changed its size
   * meanwhile, and some may be missing.
   */
  readonly list: (
    filter: MarkFilter,
    visit: (entry: ConntrackEntry) => void,
  ) => Promise<Outcome<{ readonly isTorn: boolean }>>
  /** Deletes these entries, each only if it is still the same one; tells for each whether it was there. */
  readonly remove: (entries: readonly EntryKey[]) => Outcome<readonly boolean[]>
  /** Has these entries expire after so many seconds without a packet; tells for each whether it was there. */
  readonly setTimeouts: (entries: readonly EntryKey[], seconds: number) => Outcome<readonly boolean[]>
  readonly close: () => void
}

/** NF_NETLINK_CONNTRACK_NEW, _UPDATE and _DESTROY, as bits. */
const groups = 0b111
/** SKF_AD_OFF with SKF_AD_NLATTR and SKF_AD_NLATTR_NEST of linux/filter.h. */
const [findAttribute, findNested] = [-0x1000 + 12, -0x1000 + 16]
/**
 * Bytes for events that wait. One takes about 1,300; the kernel doubles the figure and takes the memory only when it is used. It is
 * enough for a second of 20,000 events, in which this program does not get to read.
 */
const eventBuffer = 16 * 1024 * 1024
const requestBuffer = 1024 * 1024
const longestDatagram = 64 * 1024
/** Events that one call brings; each is a datagram of some 400 bytes. */
const [eventsAtOnce, longestEvent] = [128, 2048]
/** How often events are read, in milliseconds. */
const eventInterval = 20
/** How long one turn of the loop may last, in milliseconds. */
const slice = 5
const requestsAtOnce = 64
const noEntry = -2
/** States whose beginning is worth a message: the others follow from them, or change nothing. */
const telling: readonly TcpState[] = ['syn-sent', 'syn-received', 'established', 'time-wait', 'close']

/** Subscribes to what happens to the entries with this mark; those of others are left out by the kernel. `bufferBytes` is for tests. */
export const watchConntrack = (
  filter: MarkFilter,
  listener: ConntrackListener,
  bufferBytes: number = eventBuffer,
): Outcome<ConntrackEvents> => {
  const opened = openSocket(groups, bufferBytes, eventFilter(filter))
  if (!opened.ok) return opened
  const fd = opened.value
  const batch = createDatagramBatch(eventsAtOnce, longestEvent)
  const read = conntrackReader(batch.buffer)
  let isOpen = true
  let now = 0
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    clearInterval(timer)
    callClose(fd)
  }
  const hear = (message: ConntrackMessage): void => {
    if (message.kind === 'entry') listener.onEntry(message.entry, now)
  }
  const fail = (): boolean => {
    const code = lastError()
    if (code === 'EAGAIN') return false
    if (code === 'ENOBUFS') listener.onOverrun()
    else if (code !== 'EINTR') {
      close()
      listener.onFailure(`cannot hear of connections any more: ${code}`)
    }
    return true
  }
  /** Whether something may wait still. */
  const readUntil = (until: number): boolean => {
    while (isOpen) {
      const count = batch.receive(fd)
      if (count < 0 && !fail()) return false
      now = performance.now()
      for (let i = 0; i < count && isOpen; i += 1) {
        if (batch.isCut(i)) listener.onOverrun()
        const start = i * batch.placeBytes
        read(start, start + batch.lengthOf(i), hear)
      }
      if (count >= 0 && count < batch.places) return false
      if (performance.now() > until) return isOpen
    }
    return false
  }
  const readOn = (): void => {
    if (readUntil(performance.now() + slice)) setImmediate(readOn)
  }
  const timer = setInterval(readOn, eventInterval)
  const drain = (): void => void readUntil(Number.POSITIVE_INFINITY)
  return { ok: true, value: { drain, close } }
}

/** Opens the way for requests about entries. */
export const openConntrack = (): Outcome<Conntrack> => {
  const opened = openSocket(0, requestBuffer)
  if (!opened.ok) return opened
  const fd = opened.value
  const buffer = new Uint8Array(longestDatagram)
  const read = conntrackReader(buffer)
  let isOpen = true
  let sequence = 0
  const next = (): number => {
    sequence = (sequence + 1) >>> 0
    return sequence
  }
  /** The kernel carries out a request before the call that sends it returns; its answers are there then. */
  const change = (
    what: string,
    entries: readonly EntryKey[],
    requestFor: (sequence: number, entry: EntryKey) => Uint8Array,
  ): Outcome<readonly boolean[]> => {
    const wasThere: boolean[] = []
    for (let at = 0; at < entries.length; at += requestsAtOnce) {
      const some = entries.slice(at, at + requestsAtOnce)
      const first = sequence + 1
      const errors = some.map(() => noEntry)
      const sent = sendToNetfilter(fd, Buffer.concat(some.map((entry) => requestFor(next(), entry))))
      if (!sent.ok) return refused(sent.code, `cannot ${what}: ${sent.code}`)
      for (;;) {
        const length = receiveInto(fd, buffer)
        if (length <= 0) break
        read(0, length, (message) => {
          if (message.kind === 'answer') errors[message.sequence - first] = message.error
        })
      }
      const failure = errors.find((error) => error !== 0 && error !== noEntry)
      if (failure !== undefined) return failed(what, failure)
      wasThere.push(...errors.map((error) => error === 0))
    }
    return { ok: true, value: wasThere }
  }
  const list: Conntrack['list'] = async (filter, visit) => {
    const lists = openSocket(0, requestBuffer)
    if (!lists.ok) return lists
    try {
      return await readList(lists.value, filter, visit)
    } finally {
      callClose(lists.value)
    }
  }
  return {
    ok: true,
    value: {
      list,
      remove: (entries) => change('end connections', entries, deleteRequest),
      setTimeouts: (entries, seconds) =>
        change('set the timeout of connections', entries, (number, entry) => timeoutRequest(number, entry, seconds)),
      close: () => {
        if (isOpen) callClose(fd)
        isOpen = false
      },
    },
  }
}

const readList = async (
  fd: number,
  filter: MarkFilter,
  visit: (entry: ConntrackEntry) => void,
): Promise<Outcome<{ readonly isTorn: boolean }>> => {
  const what = 'list the connections'
  const sent = sendToNetfilter(fd, listRequest(1, filter))
  if (!sent.ok) return refused(sent.code, `cannot ${what}: ${sent.code}`)
  const buffer = new Uint8Array(longestDatagram)
  const read = conntrackReader(buffer)
  let [isOver, isTorn, error] = [false, false, 0]
  for (let until = performance.now() + slice; !isOver; ) {
    // The kernel makes the next part of the list whenever one is taken: there is nothing to wait for.
    const length = receiveInto(fd, buffer)
    if (length <= 0) {
      const code = lastError()
      if (code === 'EINTR') continue
      return refused(code, `cannot ${what}: ${code}`)
    }
    read(0, length, (message) => {
      if (message.kind === 'entry') return visit(message.entry)
      isOver = true
      if (message.kind === 'end') isTorn = message.isTorn
      else error = message.error
    })
    if (performance.now() > until) {
      await turn()
      until = performance.now() + slice
    }
  }
  return error === 0 ? { ok: true, value: { isTorn } } : failed(what, error)
}

const openSocket = (memberships: number, bufferBytes: number, filter?: SocketFilter): Outcome<number> => {
  const opened = openNetfilterSocket(memberships, bufferBytes, filter)
  return opened.ok ? opened : explained(opened.code)
}

const errorNames: Readonly<Record<number, string>> = { 1: 'EPERM', 16: 'EBUSY', 22: 'EINVAL', 95: 'EOPNOTSUPP' }
const failed = (what: string, error: number): Outcome<never> => {
  const code = errorNames[-error] ?? `errno ${-error}`
  const { text } = explained(code)
  return refused(code, `cannot ${what}: ${text}`)
}

const explained = (code: string): Extract<Outcome<never>, { readonly ok: false }> => {
  const advice: Readonly<Record<string, string>> = {
    EPERM: 'needs the capability net_admin',
    EPROTONOSUPPORT: 'the kernel has no nfnetlink; load the module nfnetlink',
    EINVAL: 'the kernel has no ctnetlink; load the module nf_conntrack_netlink',
    EOPNOTSUPP: 'the kernel has no ctnetlink; load the module nf_conntrack_netlink',
  }
  return { ok: false, code, text: `connection tracking: ${advice[code] ?? code}` }
}

/** Passes what has the mark, if it is destroyed or in a state that begins or ends something. */
const eventFilter = ({ value, mask }: MarkFilter): SocketFilter => {
  const [info = 0, tcp = 0, state = 0] = tcpStatePath
  return socketFilter(
    instruction(loadConstant, 0, 0, attributesOffset),
    instruction(loadIndex, 0, 0, markType),
    instruction(loadWord, 0, 0, findAttribute),
    instruction(jumpIfEqual, 18 + telling.length, 0, 0),
    instruction(moveToIndex, 0, 0, 0),
    instruction(loadWordAtIndex, 0, 0, attributeHeaderBytes),
    instruction(andConstant, 0, 0, mask),
    instruction(jumpIfEqual, 0, 14 + telling.length, value),
    instruction(loadHalf, 0, 0, typeOffset),
    instruction(jumpIfEqual, 11 + telling.length, 0, destroyType),
    instruction(loadConstant, 0, 0, attributesOffset),
    instruction(loadIndex, 0, 0, info),
    instruction(loadWord, 0, 0, findAttribute),
    instruction(jumpIfEqual, 8 + telling.length, 0, 0),
    instruction(loadIndex, 0, 0, tcp),
    instruction(loadWord, 0, 0, findNested),
    instruction(jumpIfEqual, 5 + telling.length, 0, 0),
    instruction(loadIndex, 0, 0, state),
    instruction(loadWord, 0, 0, findNested),
    instruction(moveToIndex, 0, 0, 0),
    instruction(loadByteAtIndex, 0, 0, attributeHeaderBytes),
    ...telling.map((name, i) =>
      instruction(jumpIfEqual, telling.length - 1 - i, i === telling.length - 1 ? 1 : 0, tcpStates.indexOf(name)),
    ),
    instruction(giveBack, 0, 0, wholePacket),
    instruction(giveBack, 0, 0, 0),
  )
}
