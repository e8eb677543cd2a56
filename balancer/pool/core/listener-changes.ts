// What a reload changes in the listeners, a line each, for the operator who asked for it.

import type { ListenerConfig, ServerConfig } from '../../config/schema.ts'

/** The lines for what differs between two configurations; `isSame` compares values deeply. */
export const describeListenerChanges = (
  before: readonly ListenerConfig[],
  after: readonly ListenerConfig[],
  isSame: (one: unknown, other: unknown) => boolean,
): readonly string[] => {
  const old = new Map(before.map((listener) => [listener.name, listener]))
  const names = new Set(after.map(({ name }) => name))
  return [
    ...before.flatMap(({ name }) => (names.has(name) ? [] : [`listener ${name} removed; its sessions end`])),
    ...after.flatMap((listener) => {
      const known = old.get(listener.name)
      return known === undefined ? [`listener ${listener.name} added`] : changesOf(known, listener, isSame)
    }),
  ]
}

const changesOf = (
  before: ListenerConfig,
  after: ListenerConfig,
  isSame: (one: unknown, other: unknown) => boolean,
): readonly string[] => {
  const listener = `listener ${after.name}`
  const { servers: _, ...keys } = after
  const changed = Object.entries(keys)
    .filter(([key, value]) => !isSame(Reflect.get(before, key), value))
    .map(([key]) => key)
  const gone = Object.keys(before).filter((key) => !(key in after))
  const all = [...new Set([...changed, ...gone])]
  return [
    ...(all.length > 0 ? [`${listener}: changed ${all.join(', ')}`] : []),
    ...serverChanges(before.servers, after.servers, isSame).map((line) => `${listener}: ${line}`),
  ]
}

const serverChanges = (
  before: readonly ServerConfig[],
  after: readonly ServerConfig[],
  isSame: (one: unknown, other: unknown) => boolean,
): readonly string[] => {
  const old = new Map(before.map((server) => [server.name, server]))
  const names = new Set(after.map(({ name }) => name))
  return [
    ...before.flatMap(({ name }) => (names.has(name) ? [] : [`server ${name} removed`])),
    ...after.flatMap((server) => {
      const known = old.get(server.name)
      if (known === undefined) return [`server ${server.name} added`]
      return isSame(known, server) ? [] : [`server ${server.name} changed`]
    }),
  ]
}
