// Which listener and which server of a configuration were there before a reload, be it under another name.

import type { ListenerConfig, ServerConfig } from '../../config/schema.ts'

/** What a listener and a server were before; undefined for a new one. A server with another address is a new one. */
export type Formers = {
  readonly listener: (now: ListenerConfig) => ListenerConfig | undefined
  readonly server: (listener: ListenerConfig, now: ServerConfig) => ServerConfig | undefined
}

/** Compares two configurations. A name that is gone lives on in a new one with the same address. */
export const formersOf = (before: readonly ListenerConfig[], after: readonly ListenerConfig[]): Formers => {
  const listeners = matched(before, after, isSameName, sharesBind)
  const servers = new Map(
    after.map((listener) => [
      listener,
      matched(
        listeners.get(listener)?.servers ?? [],
        listener.servers,
        (one, other) => isSameName(one, other) && isSamePlace(one.address, other.address),
        (one, other) => isSamePlace(one.address, other.address),
      ),
    ]),
  )
  return { listener: (now) => listeners.get(now), server: (listener, now) => servers.get(listener)?.get(now) }
}

type Named = { readonly name: string }

const matched = <T extends Named>(
  before: readonly T[],
  after: readonly T[],
  isSame: (one: T, other: T) => boolean,
  isRenamed: (one: T, other: T) => boolean,
): ReadonlyMap<T, T> => {
  const formers = new Map<T, T>()
  const match = (candidates: readonly T[], wanted: readonly T[], alike: (one: T, other: T) => boolean): void => {
    const taken = new Set(formers.values())
    for (const now of wanted) {
      const former = candidates.find((one) => !taken.has(one) && alike(one, now))
      if (former === undefined) continue
      taken.add(former)
      formers.set(now, former)
    }
  }
  match(before, after, isSame)
  // Two that swap their names are two others: facts about either are on their way under the old names.
  const gone = before.filter((one) => !after.some((other) => isSameName(one, other)))
  const fresh = after.filter((one) => !before.some((other) => isSameName(one, other)))
  match(gone, fresh, isRenamed)
  return formers
}

const isSameName = (one: Named, other: Named): boolean => one.name === other.name

type Endpoint = ServerConfig['address']

const isSamePlace = (one: Endpoint, other: Endpoint): boolean =>
  one.address === other.address && one.port === other.port

const sharesBind = (one: ListenerConfig, other: ListenerConfig): boolean =>
  one.bind.some((bind) => other.bind.some((place) => isSamePlace(bind, place)))
