// The datapaths of one process: each runs as long as it has a listener, and a reload may give one's listener to another.

import type { ListenerConfig } from '../config/schema.ts'
import type { Datapath } from '../core/forwarders.ts'
import type { DecidingFact, RunningDatapath } from '../datapath/datapath.ts'
import { mergeLists } from '../pool/core/session-list.ts'
import { mergeEnded } from '../pool/core/session-order.ts'

/** A datapath, and how it is started. */
export type Room = {
  readonly datapath: Datapath
  readonly start: (listeners: readonly ListenerConfig[], facts: readonly DecidingFact[]) => Promise<RunningDatapath>
}

/** Starts those that have a listener. They are one datapath to the process: where one cannot start or go on, none has. */
export const runRooms = async (
  rooms: readonly Room[],
  first: readonly ListenerConfig[],
  facts: readonly DecidingFact[],
): Promise<RunningDatapath> => {
  const running = new Map<Datapath, RunningDatapath>()
  let configs: readonly ListenerConfig[] = []
  const all = (): readonly RunningDatapath[] => [...running.values()]
  const ofRoom = ({ datapath }: Room, listeners: readonly ListenerConfig[]): readonly ListenerConfig[] =>
    listeners.filter((listener) => listener.datapath === datapath)

  /** Has one go on with other listeners. What takes it back. */
  const apply = async (
    room: Room,
    next: readonly ListenerConfig[],
    known: readonly DecidingFact[],
  ): Promise<() => Promise<void>> => {
    const own = ofRoom(room, next)
    const datapath = running.get(room.datapath)
    if (datapath !== undefined) {
      const before = ofRoom(room, configs)
      await datapath.reconfigure(own, known)
      return () => datapath.reconfigure(before, known)
    }
    if (own.length === 0) return async () => {}
    const started = await room.start(own, known)
    running.set(room.datapath, started)
    return async () => {
      running.delete(room.datapath)
      await started.stop()
    }
  }
  const reconfigure: RunningDatapath['reconfigure'] = async (next, known) => {
    const takeBack: (() => Promise<void>)[] = []
    try {
      // Who gets a listener comes first: if it cannot have it, the other one still has all of its sessions.
      for (const room of inOrder(rooms, configs, next)) takeBack.unshift(await apply(room, next, known))
    } catch (error) {
      for (const back of takeBack) await back()
      throw error
    }
    configs = next
    for (const room of rooms) {
      if (ofRoom(room, next).length > 0) continue
      const idle = running.get(room.datapath)
      running.delete(room.datapath)
      await idle?.stop()
    }
  }
  await reconfigure(first, facts)
  const everyone = async (act: (datapath: RunningDatapath) => Promise<void> | void): Promise<void> => {
    await Promise.all(all().map(act))
  }
  return {
    hear: (fact) => {
      for (const datapath of all()) datapath.hear(fact)
    },
    reconfigure,
    endSessions: async (order) => mergeEnded(await Promise.all(all().map((datapath) => datapath.endSessions(order)))),
    listSessions: async () => mergeLists(await Promise.all(all().map((datapath) => datapath.listSessions()))),
    unreachable: (limit) => everyone((datapath) => datapath.unreachable(limit)),
    handles: () => new Map(all().flatMap((datapath) => [...datapath.handles()])),
    goOn: () => {
      for (const datapath of all()) datapath.goOn()
    },
    retire: () => everyone((datapath) => datapath.retire()),
    stop: () => everyone((datapath) => datapath.stop()),
  }
}

/** Those that gain a listener before those that do not. */
const inOrder = (
  rooms: readonly Room[],
  before: readonly ListenerConfig[],
  after: readonly ListenerConfig[],
): readonly Room[] => {
  const gains = ({ datapath }: Room): boolean =>
    after.some(
      (listener) =>
        listener.datapath === datapath &&
        !before.some((former) => former.name === listener.name && former.datapath === datapath),
    )
  return [...rooms.filter(gains), ...rooms.filter((room) => !gains(room))]
}
