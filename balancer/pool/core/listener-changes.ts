// What a reload changes in the listeners, a line each, for the operator who asked for it.

import type { ListenerConfig, ServerConfig } from '../../config/schema.ts'
import { type Formers, formersOf } from './formers.ts'

/** Another process forwards its clients, or none. */
const ends = '; its sessions end'

/** The lines for what differs between two configurations; `isSame` compares values deeply. */
export const describeListenerChanges = (
  before: readonly ListenerConfig[],
  after: readonly ListenerConfig[],
  isSame: (one: unknown, other: unknown) => boolean,
): readonly string[] => {
  const formers = formersOf(before, after)
  const known = new Set(after.map(formers.listener))
  return [
    ...before.flatMap((one) => (known.has(one) ? [] : [`listener ${one.name} removed${ends}`])),
    ...after.flatMap((listener) => {
      const former = formers.listener(listener)
      return former === undefined ? [`listener ${listener.name} added`] : changesOf(former, listener, formers, isSame)
    }),
  ]
}

const changesOf = (
  before: ListenerConfig,
  after: ListenerConfig,
  formers: Formers,
  isSame: (one: unknown, other: unknown) => boolean,
): readonly string[] => {
  const listener = `listener ${after.name}`
  const { servers: _, name: __, ...keys } = after
  const changed = Object.entries(keys)
    .filter(([key, value]) => !isSame(Reflect.get(before, key), value))
    .map(([key]) => key)
  const gone = Object.keys(before).filter((key) => !(key in after))
  const all = [...new Set([...changed, ...gone])]
  return [
    ...(before.name === after.name ? [] : [`listener ${before.name}: now named ${after.name}`]),
    ...(all.length > 0
      ? [`${listener}: changed ${all.join(', ')}${before.datapath === after.datapath ? '' : ends}`]
      : []),
    ...serverChanges(before, after, formers, isSame).map((line) => `${listener}: ${line}`),
  ]
}

const serverChanges = (
  before: ListenerConfig,
  after: ListenerConfig,
  formers: Formers,
  isSame: (one: unknown, other: unknown) => boolean,
): readonly string[] => {
  const formerOf = (server: ServerConfig) => formers.server(after, server)
  const known = new Set(after.servers.map(formerOf))
  const isMoved = ({ name }: ServerConfig): boolean => after.servers.some((server) => server.name === name)
  return [
    ...before.servers.flatMap((one) => (known.has(one) || isMoved(one) ? [] : [`server ${one.name} removed`])),
    ...after.servers.flatMap((server) => {
      const former = formerOf(server)
      if (former === undefined) {
        const moved = before.servers.find(({ name }) => name === server.name)
        return [moved === undefined ? `server ${server.name} added` : `server ${server.name} changed: another address`]
      }
      const renamed = former.name === server.name ? [] : [`server ${former.name}: now named ${server.name}`]
      const isOnlyRenamed = isSame({ ...former, name: server.name }, server)
      return isOnlyRenamed ? renamed : [...renamed, `server ${server.name} changed`]
    }),
  ]
}
