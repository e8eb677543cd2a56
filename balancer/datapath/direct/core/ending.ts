// Which sessions end, and what stands next until both sides of each know it. What is in the kernel is seen by lists of a bind's
// flows ("looks"), which may lack a few and are old when they come: an order is carried out at several, and nothing follows from
// what is not in one.

import type { Endpoint } from '../../../core/endpoint.ts'
import { type Ending, type EndingFlow, endsAt } from './ends-at.ts'

/** `end` is what was ordered; `tell` those again whom an earlier process has ended; `remove` what is ended. */
type Duty = { readonly do: 'end'; readonly ending: Ending } | { readonly do: 'tell' | 'remove' }

/**
 * Something to be done at a look at its bind that began at `since` or later; that look is asked for at `at`, null: it is on its way,
 * or waits for the address.
 */
type Owed = {
  readonly id: number
  readonly bind: Endpoint
  readonly duty: Duty
  readonly since: number
  readonly at: number | null
  readonly failures: number
  /** So many looks follow the next one. */
  readonly repeats: number
  /** How long ago a flow may have begun that a look lacked. */
  readonly slack: number
  /** Owed no more when the server is up again before the address comes. */
  readonly untilUp: boolean
}

/** The state. `absent`: addresses that are not on this host, and when whatever was ended through them is another host's. */
export type Endings = {
  readonly owed: readonly Owed[]
  readonly absent: ReadonlyMap<string, number>
  /** Binds whose clients and servers are being told, since when, and when to look whether they still are to be. */
  readonly telling: readonly { readonly bind: Endpoint; readonly since: number; readonly at: number }[]
  readonly binds: readonly Endpoint[]
}

/**
 * What happened, at a moment of one monotonic clock. `ordered`: the rules do not send anybody there any more; an order that does not
 * wait is for what is here now, and where a bind `isClosed` nobody begins a session there any more. `untilUp`: only because the server is
 * down. `server-up`: it is not. `looked`: the flows of a bind by a look that began at `since`, null where they could not be listed.
 * `not-marked`: what an `end` could not do. `told`: nobody waits to be told any more. `binds`: those there are; what earlier processes ended is looked for in new ones.
 */
export type EndingEvent = { readonly at: number } & (
  | { readonly event: 'binds'; readonly binds: readonly Endpoint[] }
  | {
      readonly event: 'ordered'
      readonly id: number
      readonly bind: Endpoint
      readonly ending: Ending
      readonly waits: boolean
      readonly isClosed?: boolean
      readonly untilUp?: boolean
    }
  | { readonly event: 'server-up'; readonly bind: Endpoint; readonly server: number }
  | {
      readonly event: 'looked'
      readonly bind: Endpoint
      readonly since: number
      readonly flows: readonly EndingFlow[] | null
    }
  | { readonly event: 'not-marked'; readonly bind: Endpoint; readonly ending: Ending }
  | { readonly event: 'told' }
  | { readonly event: 'address-left' | 'address-came'; readonly address: string }
  | { readonly event: 'deadline-reached' }
)

/**
 * What has to be done, in order. `look`: list the flows of a bind. `end`: mark these as ended, then tell both sides of those that
 * were still there. `tell` both sides. `spare`: they have a session again, or nobody ended it: whoever waits to be told must not be.
 * `remove` them from the map. `hold`, `release`, `forget`: see resets/core/reset-queue.ts. `over`: nothing more comes of an order;
 * `isLost`: it was not carried out.
 */
export type EndingEffect =
  | { readonly effect: 'look'; readonly bind: Endpoint }
  | {
      readonly effect: 'end'
      readonly id: number
      readonly bind: Endpoint
      readonly ending: Ending
      readonly flows: readonly EndingFlow[]
    }
  | { readonly effect: 'tell' | 'spare' | 'remove'; readonly bind: Endpoint; readonly flows: readonly EndingFlow[] }
  | { readonly effect: 'hold' | 'release' | 'forget'; readonly address: string }
  | { readonly effect: 'over'; readonly id: number; readonly isLost: boolean }

export type EndingStep = readonly [Endings, readonly EndingEffect[]]

/** For how long a mark stays in the map: whoever speaks later is a stranger. */
export const markMillis = 60_000
/**
 * An earlier process may have told whom it ended until then. Later a server without the session would take what is forged for a new
 * one and wait for its client, whose firewall has forgotten the old one by then (nf_conntrack_tcp_timeout_close).
 */
const youngMillis = 10_000
/** A vrrp process that is started anew has the address back in less. */
const leftMillis = 2000
/** Sooner than anybody is told for the second time. */
const lookAgainMillis = 400
const tryAgainMillis = 500
/** Looks after the first, and how far apart those may be by which the book knows what is new. */
const moreLooks = 2
const usualGap = 1000
const mostFailures = 6
const noOrder = -1

/** Nothing is due yet. */
export const startEndings: Endings = { owed: [], absent: new Map(), telling: [], binds: [] }

/** The state after an event. An early `deadline-reached` changes nothing. */
export const step = (endings: Endings, event: EndingEvent): EndingStep => {
  switch (event.event) {
    case 'binds':
      return withBinds(endings, event.binds, event.at)
    case 'ordered':
      return ordered(endings, event)
    case 'server-up':
      return [serverUp(endings, event.bind, event.server), []]
    case 'looked':
      return event.flows === null ? notLooked(endings, event) : looked(endings, { ...event, flows: event.flows })
    case 'not-marked':
      return tryAgain(endings, owe(event.bind, { do: 'end', ending: event.ending }, event.at), event.at)
    case 'told':
      return [{ ...endings, telling: [] }, []]
    case 'address-left':
      return addressLeft(endings, event.address, event.at)
    case 'address-came':
      return addressCame(endings, event.address, event.at)
    case 'deadline-reached':
      return passDeadlines(endings, event.at)
    default:
      return event satisfies never
  }
}

/** Whether whatever was ended through an address is another host's. */
export const isElsewhere = ({ absent }: Endings, address: string): boolean =>
  absent.get(address) === Number.POSITIVE_INFINITY

/** Whether sessions of a bind are still to be looked for, and ended: it may be nobody's by then. */
export const owesAt = ({ owed, absent }: Endings, bind: Endpoint): boolean =>
  !absent.has(bind.address) && owed.some((one) => one.duty.do === 'end' && isSame(one.bind, bind))

/** When `deadline-reached` is due; null while nothing is. */
export const deadlineOf = ({ owed, telling, absent }: Endings): number | null => {
  const moments = [...owed.flatMap(({ at }) => at ?? []), ...telling.map(({ at }) => at), ...absent.values()]
  const next = Math.min(...moments)
  return Number.isFinite(next) ? next : null
}

const isSame = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address

const owe = (bind: Endpoint, duty: Duty, since: number, id = noOrder): Owed => ({
  id,
  bind,
  duty,
  since,
  at: null,
  failures: 0,
  repeats: 0,
  slack: 0,
  untilUp: false,
})

/** Whoever is found there later was there before, but for clients of an operator's that came back. */
const slackOf = ({ waits, isClosed }: Pick<Order, 'waits' | 'isClosed'>): number => {
  if (isClosed) return Number.POSITIVE_INFINITY
  // A plan's server gets nobody new.
  return waits ? usualGap : 0
}

const oweEnd = (bind: Endpoint, ending: Ending, since: number, slack: number, id = noOrder): Owed => ({
  ...owe(bind, { do: 'end', ending }, since, id),
  repeats: moreLooks,
  slack,
})

const withBinds = (endings: Endings, binds: readonly Endpoint[], at: number): EndingStep => {
  const fresh = binds.filter((bind) => !endings.binds.some((one) => isSame(one, bind)))
  const found = fresh.map((bind) => owe(bind, { do: 'tell' }, at))
  return askFor({ ...endings, binds }, found)
}

/** Has those looked for whose address is here; the others wait for it. */
const askFor = (endings: Endings, fresh: readonly Owed[]): EndingStep => {
  const here = fresh.filter(({ bind, duty }) => duty.do === 'remove' || !endings.absent.has(bind.address))
  return [{ ...endings, owed: [...endings.owed, ...fresh] }, looksAt(here.map(({ bind }) => bind))]
}

const looksAt = (binds: readonly Endpoint[]): readonly EndingEffect[] =>
  binds.filter((bind, i) => binds.findIndex((one) => isSame(one, bind)) === i).map((bind) => ({ effect: 'look', bind }))

type Order = Extract<EndingEvent, { event: 'ordered' }>

const ordered = (endings: Endings, order: Order): EndingStep => {
  const { id, bind, ending, waits, at } = order
  const slack = slackOf(order)
  if (!endings.absent.has(bind.address)) return askFor(endings, [oweEnd(bind, ending, at, slack, id)])
  if (!waits) return [endings, [{ effect: 'over', id, isLost: true }]]
  // Who begins a session until it is carried out does so by the rules of then.
  const bounded: Ending = { ...ending, begunBefore: Math.min(ending.begunBefore, at) }
  const older = endings.owed.filter((owed) => isOlder(owed, bind, bounded))
  const untilUp = order.untilUp === true && older.every((owed) => owed.untilUp)
  const waiting = { ...oweEnd(bind, bounded, at, slack), untilUp }
  const owed = [...endings.owed.filter((one) => !older.includes(one)), waiting]
  return [{ ...endings, owed }, [{ effect: 'over', id, isLost: false }]]
}

/** Whoever has the address has ended what was to be ended, or has seen no reason to. */
const serverUp = (endings: Endings, bind: Endpoint, server: number): Endings => {
  const isTakenBack = ({ bind: where, duty, untilUp }: Owed): boolean =>
    untilUp && isSame(where, bind) && duty.do === 'end' && duty.ending.server === server
  if (!endings.absent.has(bind.address) || !endings.owed.some(isTakenBack)) return endings
  return { ...endings, owed: endings.owed.filter((owed) => !isTakenBack(owed)) }
}

/** A server that goes down a hundred times while the address is elsewhere owes one ending. */
const isOlder = ({ bind, duty }: Owed, other: Endpoint, { server, client, begunBefore }: Ending): boolean =>
  isSame(bind, other) &&
  duty.do === 'end' &&
  duty.ending.server === server &&
  duty.ending.client === null &&
  client === null &&
  duty.ending.begunBefore <= begunBefore

type Look = { readonly bind: Endpoint; readonly since: number; readonly at: number }

/** What a look is for. */
const dueAt = ({ owed, absent }: Endings, { bind, since }: Look): readonly Owed[] =>
  owed.filter(
    (one) =>
      isSame(one.bind, bind) &&
      one.at === null &&
      one.since <= since &&
      (one.duty.do === 'remove') === absent.has(bind.address),
  )

const looked = (endings: Endings, look: Look & { readonly flows: readonly EndingFlow[] }): EndingStep => {
  const { bind, flows, at } = look
  const due = dueAt(endings, look)
  const others = endings.owed.filter((owed) => !due.includes(owed))
  const told = endings.telling.find((one) => isSame(one.bind, bind))
  const spared =
    told === undefined ? [] : flows.filter(({ state, begunBy }) => state !== 'ended' && begunBy > told.since)
  const effects: EndingEffect[] = spared.length > 0 ? [{ effect: 'spare', bind, flows: spared }] : []
  const later: Owed[] = []
  const taken = new Set<EndingFlow>()
  let tells = false
  for (const owed of due) {
    const { id, duty } = owed
    if (duty.do !== 'end') {
      const oldest = duty.do === 'tell' ? at + markMillis - youngMillis : Number.NEGATIVE_INFINITY
      const ended = flows.filter(({ state, expiresAt }) => state === 'ended' && expiresAt > oldest)
      if (ended.length > 0) effects.push({ effect: duty.do, bind, flows: ended })
      tells ||= duty.do === 'tell' && ended.length > 0
      continue
    }
    const now: EndingFlow[] = []
    let next = Number.POSITIVE_INFINITY
    for (const flow of flows) {
      const moment = taken.has(flow) ? null : endsAt(flow, duty.ending, at, owed.slack)
      if (moment === null) continue
      if (moment > at) next = Math.min(next, moment)
      else now.push(flow)
    }
    for (const flow of now) taken.add(flow)
    tells ||= now.length > 0
    // An order is over with its first look, for whoever waits to hear what came of it.
    if (now.length > 0) effects.push({ effect: 'end', id, bind, ending: duty.ending, flows: now })
    if (id !== noOrder) effects.push({ effect: 'over', id, isLost: false })
    const again = { ...owed, id: noOrder, failures: 0 }
    if (Number.isFinite(next)) later.push({ ...again, at: next, repeats: 0 })
    if (owed.repeats === 0) continue
    const bounded = { ...duty.ending, begunBefore: Math.min(duty.ending.begunBefore, owed.since) }
    later.push({
      ...again,
      duty: { do: 'end', ending: bounded },
      at: at + lookAgainMillis,
      repeats: owed.repeats - 1,
    })
  }
  const telling = endings.telling.filter((one) => !isSame(one.bind, bind))
  if (told !== undefined || tells) telling.push({ bind, since: told?.since ?? at, at: at + lookAgainMillis })
  return [{ ...endings, owed: [...others, ...later], telling }, effects]
}

const notLooked = (endings: Endings, look: Look): EndingStep => {
  const { bind, at } = look
  const due = dueAt(endings, look)
  const others = endings.owed.filter((owed) => !due.includes(owed))
  let state: Endings = { ...endings, owed: others }
  const effects: EndingEffect[] = []
  for (const owed of due) {
    const [next, more] = tryAgain(state, owed, at)
    state = next
    effects.push(...more)
  }
  const telling = state.telling.map((one) => (isSame(one.bind, bind) ? { ...one, at: at + lookAgainMillis } : one))
  return [{ ...state, telling }, effects]
}

const tryAgain = (endings: Endings, owed: Owed, at: number): EndingStep => {
  const failures = owed.failures + 1
  if (failures >= mostFailures) {
    return [endings, owed.id === noOrder ? [] : [{ effect: 'over', id: owed.id, isLost: true }]]
  }
  return [{ ...endings, owed: [...endings.owed, { ...owed, at: at + tryAgainMillis, failures }] }, []]
}

const addressLeft = (endings: Endings, address: string, at: number): EndingStep => {
  if (endings.absent.has(address)) return [endings, []]
  const absent = new Map(endings.absent).set(address, at + leftMillis)
  return [{ ...endings, absent }, [{ effect: 'hold', address }]]
}

const addressCame = (endings: Endings, address: string, at: number): EndingStep => {
  if (!endings.absent.has(address)) return [endings, []]
  const absent = new Map(endings.absent)
  absent.delete(address)
  const owed = endings.owed
    .filter(({ bind, duty }) => bind.address !== address || duty.do !== 'remove')
    .map((one) => (one.bind.address === address && one.at === null ? { ...one, since: at } : one))
  const waiting = owed.filter((one) => one.bind.address === address && one.at === null)
  return [{ ...endings, absent, owed }, [{ effect: 'release', address }, ...looksAt(waiting.map(({ bind }) => bind))]]
}

const passDeadlines = (endings: Endings, at: number): EndingStep => {
  const left = [...endings.absent].filter(([, until]) => until <= at).map(([address]) => address)
  // Those stay absent, with nothing more to come of it.
  const absent = new Map(endings.absent)
  for (const address of left) absent.set(address, Number.POSITIVE_INFINITY)
  const gone = endings.binds.filter(({ address }) => left.includes(address))
  const removals = gone.map((bind) => owe(bind, { do: 'remove' }, at))
  const isHere = ({ address }: Endpoint): boolean => !absent.has(address)
  const due = endings.owed.filter((owed) => owed.at !== null && owed.at <= at)
  const owed = [...endings.owed.map((one) => (due.includes(one) ? { ...one, at: null, since: at } : one)), ...removals]
  const tellers = endings.telling.filter((one) => one.at <= at && isHere(one.bind))
  const telling = endings.telling
    .filter(({ bind }) => !left.includes(bind.address))
    .map((one) => (one.at <= at ? { ...one, at: at + lookAgainMillis } : one))
  const looks = [
    ...due.filter((one) => one.duty.do === 'remove' || isHere(one.bind)).map(({ bind }) => bind),
    ...tellers.map(({ bind }) => bind),
    ...gone,
  ]
  return [
    { ...endings, absent, owed, telling },
    [...left.map((address): EndingEffect => ({ effect: 'forget', address })), ...looksAt(looks)],
  ]
}
