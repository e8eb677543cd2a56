// The addresses that the proxy listens on, each owned by one listener; a reload hands them over without closing them.

import { createServer, type Socket } from 'node:net'
import type { Endpoint } from '../../config/values.ts'
import { isUnspecified } from '../../core/address-kind.ts'
import { endpointText, familyOf } from '../../core/ip-address.ts'
import type { ListeningHandle } from '../../os/listening-handle.ts'
import { createWaitingListener, type ListenerState, type WaitingListener } from '../../os/waiting-listener.ts'

/** An address with the listener that gets its clients. `key` is the configuration key to name in errors. */
export type Bind = {
  readonly endpoint: Endpoint
  readonly key: string
  readonly owner: string
  readonly accept: (socket: Socket) => void
}

/** The open and waiting addresses. */
export type Binds = {
  /** Opens what is new, hands over what stays, closes the rest. Throws `FailedStart` and changes nothing. */
  readonly assign: (binds: readonly Bind[]) => Promise<void>
  readonly addressChanged: (address: string) => void
  readonly statesOf: (owner: string) => readonly ListenerState[]
  /** What is listened on, by address and port. */
  readonly handles: () => ReadonlyMap<string, ListeningHandle>
  readonly stop: () => void
}

export type BindsOptions = {
  /** Takes what another process listens on at an address and port; undefined where it does not. */
  readonly inherit?: (endpoint: string) => ListeningHandle
  readonly isPresent: (address: string) => boolean
  readonly onChange: (owner: string, state: ListenerState) => void
  /** A client was there and accept(2) failed; the listener goes on. */
  readonly onAcceptFailure: (owner: string, code: string) => void
}

const nothing = (): ListeningHandle => undefined

type Held = { bind: Bind; readonly waiting: WaitingListener }

/** No address is held yet. */
export const createBinds = ({ inherit = nothing, isPresent, onChange, onAcceptFailure }: BindsOptions): Binds => {
  let held = new Map<string, Held>()

  const hold = (bind: Bind): Held => {
    const entry: Held = {
      bind,
      waiting: createWaitingListener({
        endpoint: bind.endpoint,
        server: createServer({ allowHalfOpen: true }, (socket) => entry.bind.accept(socket)),
        key: bind.key,
        inherited: inherit(endpointText(bind.endpoint)),
        isPresent,
        onChange: (state) => onChange(entry.bind.owner, state),
        onAcceptFailure: (code) => onAcceptFailure(entry.bind.owner, code),
      }),
    }
    return entry
  }

  /** The kernel gives one port to all addresses or to single ones: those that go make room before the others come. */
  const makeRoomFor = (binds: readonly Bind[]): readonly Held[] => {
    const wanted = new Set(binds.map(({ endpoint }) => endpointText(endpoint)))
    const fresh = binds.filter(({ endpoint }) => !held.has(endpointText(endpoint)))
    const inTheWay = [...held].filter(([key, { bind }]) => !wanted.has(key) && fresh.some((one) => exclude(one, bind)))
    for (const [, { waiting }] of inTheWay) waiting.stop()
    return inTheWay.map(([, entry]) => entry)
  }

  return {
    assign: async (binds) => {
      const opened = new Map<string, Held>()
      for (const bind of binds)
        if (!held.has(endpointText(bind.endpoint))) opened.set(endpointText(bind.endpoint), hold(bind))
      const closed = makeRoomFor(binds)
      const starts = await Promise.allSettled([...opened.values()].map(({ waiting }) => waiting.start()))
      const failed = starts.find((start) => start.status === 'rejected')
      if (failed !== undefined) {
        for (const { waiting } of opened.values()) waiting.stop()
        const again = closed.map(({ bind }) => hold(bind))
        for (const entry of again) held.set(endpointText(entry.bind.endpoint), entry)
        await Promise.allSettled(again.map(({ waiting }) => waiting.start()))
        throw failed.reason
      }
      const next = new Map<string, Held>()
      for (const bind of binds) {
        const key = endpointText(bind.endpoint)
        const entry = held.get(key) ?? opened.get(key)
        if (entry === undefined) continue
        entry.bind = bind
        next.set(key, entry)
      }
      for (const [key, { waiting }] of held) if (!next.has(key)) waiting.stop()
      held = next
    },
    addressChanged: (address) => {
      for (const { waiting } of held.values()) waiting.addressChanged(address)
    },
    statesOf: (owner) =>
      [...held.values()].filter(({ bind }) => bind.owner === owner).map(({ waiting }) => waiting.state()),
    handles: () => new Map([...held].map(([endpoint, { waiting }]) => [endpoint, waiting.handle()])),
    stop: () => {
      for (const { waiting } of held.values()) waiting.stop()
    },
  }
}

/** Whether two binds cannot be had at once. */
const exclude = ({ endpoint: one }: Bind, { endpoint: other }: Bind): boolean =>
  one.port === other.port &&
  familyOf(one.address) === familyOf(other.address) &&
  (isUnspecified(one.address) || isUnspecified(other.address))
