// The sessions of all binds, as one look at their maps in the kernel after the other finds them.

import { randomInt } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import { familyOf } from '../../core/ip-address.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { NftElements, NftMap } from '../../os/nft-elements.ts'
import { done, type Outcome } from '../../os/outcome.ts'
import { createFlowBook, type FlowBook, type FlowChanges } from './core/flow-book.ts'
import { clientsOf, flowKeyBytes, prefixBytes } from './core/flow-key.ts'
import { flowsName, prefixesName, tableName } from './core/names.ts'

/** A bind, and the timeouts that its rules set. */
export type WatchedBind = Endpoint & { readonly idle: Millis; readonly connect: Millis }

/** What is known of a bind. `lookedAt`: when its last whole look began, a moment of `performance.now()`. */
export type WatchedFlows = { readonly bind: WatchedBind; readonly book: FlowBook; readonly lookedAt: number }

/** Looks at the flows of binds. Binds are named by their texts, `10.1.6.173:3366`. */
export type FlowWatch = {
  /** The binds that the rules have; what is known of one that stays is kept. */
  readonly setBinds: (binds: readonly WatchedBind[]) => void
  readonly at: (bind: string) => WatchedFlows | undefined
  readonly all: () => readonly WatchedFlows[]
  /** The clients that a key may stand for; see core/flow-key.ts. */
  readonly clientsOf: (key: Uint8Array) => readonly Endpoint[]
  /** A look that begins after the call. `ENOENT`: there is no such bind, or no map of it. */
  readonly look: (bind: string) => Promise<Outcome>
  /** At all of them, one after the other. */
  readonly lookAround: () => Promise<void>
  readonly close: () => void
}

export type FlowWatchOptions = {
  readonly elements: NftElements
  readonly onLook: (bind: string, changes: FlowChanges) => void
  /** All binds have been looked at. */
  readonly onRound: () => void
  /** A map cannot be listed. */
  readonly onFailure: (bind: string, code: string, text: string) => void
}

/** After a round comes a pause so many times as long as it took, within bounds. */
const [pauseShare, shortestPause, longestPause] = [10, 1000, 20_000]
const largestSeed = 2 ** 32
const gone: Outcome = { ok: false, code: 'ENOENT', text: 'there is no such bind' }

type Watched = {
  bind: WatchedBind
  readonly map: NftMap
  readonly book: FlowBook
  lookedAt: number
  running: Promise<Outcome> | undefined
  next: Promise<Outcome> | undefined
}

/** Looks at nothing before there are binds, and around from then on. */
export const watchFlows = ({ elements, onLook, onRound, onFailure }: FlowWatchOptions): FlowWatch => {
  let watched = new Map<string, Watched>()
  let isOpen = true
  let timer: NodeJS.Timeout | undefined
  let prefixes: readonly Uint8Array[] = []

  const readPrefixes = async (): Promise<void> => {
    const found: Uint8Array[] = []
    const listed = await elements.dump(prefixSet, ({ buffer, keyAt }) => {
      found.push(buffer.slice(keyAt, keyAt + prefixBytes))
    })
    if (listed.ok) prefixes = found
  }
  const lookNow = async (name: string, one: Watched): Promise<Outcome> => {
    const { bind, book, map } = one
    if (familyOf(bind.address) === 'ipv6') await readPrefixes()
    const at = millis(performance.now())
    book.beginLook({ at, idle: bind.idle, connect: bind.connect })
    const listed = await elements.dump(map, book.see)
    const isTorn = !listed.ok || listed.value.isTorn
    const changes = book.endLook({ at: millis(performance.now()), isTorn })
    if (!isTorn) one.lookedAt = at
    if (isOpen && watched.get(name) === one) onLook(name, changes)
    if (!listed.ok && isOpen) onFailure(name, listed.code, listed.text)
    return listed.ok ? done : listed
  }
  /** One at a time: who asks during a look waits for the next one, and all who do so for the same. */
  const look = (name: string): Promise<Outcome> => {
    const one = watched.get(name)
    if (one === undefined) return Promise.resolve(gone)
    const begin = (): Promise<Outcome> => {
      one.next = undefined
      one.running = lookNow(name, one).finally(() => {
        one.running = undefined
      })
      return one.running
    }
    if (one.running === undefined) return begin()
    one.next ??= one.running.then(begin)
    return one.next
  }
  const lookAround = async (): Promise<void> => {
    for (const name of [...watched.keys()]) if (isOpen) await look(name)
    if (isOpen) onRound()
  }
  const goAround = async (): Promise<void> => {
    const begun = performance.now()
    await lookAround()
    const pause = Math.min(longestPause, Math.max(shortestPause, (performance.now() - begun) * pauseShare))
    if (isOpen) timer = setTimeout(() => void goAround(), pause)
  }
  const shown = ({ bind, book, lookedAt }: Watched): WatchedFlows => ({ bind, book, lookedAt })

  return {
    setBinds: (binds) => {
      if (isOpen) timer ??= setTimeout(() => void goAround(), shortestPause)
      watched = new Map(
        binds.map((bind) => {
          const name = endpointText(bind)
          const known = watched.get(name)
          if (known !== undefined) known.bind = bind
          return [name, known ?? watch(bind)] as const
        }),
      )
    },
    at: (name) => {
      const one = watched.get(name)
      return one === undefined ? undefined : shown(one)
    },
    all: () => [...watched.values()].map(shown),
    clientsOf: (key) => clientsOf(key, prefixes),
    look,
    lookAround,
    close: () => {
      isOpen = false
      clearTimeout(timer)
    },
  }
}

const watch = (bind: WatchedBind): Watched => ({
  bind,
  map: flowsMap(bind),
  book: createFlowBook(flowKeyBytes[familyOf(bind.address)], randomInt(largestSeed)),
  lookedAt: Number.NEGATIVE_INFINITY,
  running: undefined,
  next: undefined,
})

/** The first four bytes of IPv6 clients. */
export const prefixSet: NftMap = { family: 'netdev', table: tableName, name: prefixesName, isSet: true }

/** The map of the flows of a bind. */
export const flowsMap = ({ address, port }: Endpoint): NftMap => ({
  family: 'netdev',
  table: tableName,
  name: flowsName(address, port),
})
