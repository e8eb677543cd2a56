// What happens to a service while clients use it.

import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '../../lab/wait-for.ts'
import { type Field, holdsAddress } from '../failover/field.ts'
import type { Router } from '../failover/side.ts'
import type { Clients } from './clients.ts'

/** By name, in the order of the table. */
export const eventNames = [
  'reload',
  'upgrade',
  'drain',
  'hand-over',
  'power-cut',
  'drained-power-cut',
  'kill-all',
  'server-power-cut',
] as const
export type EventName = (typeof eventNames)[number]

/** Where it happens. The last database host is the one whose power is cut. */
export type Scene = {
  readonly field: Field
  readonly clients: Clients
  readonly active: Router
  readonly other: Router
}

/**
 * One event. `act` ends when it is over for the balancers, with the moment (milliseconds since 1970) at which the active one knew
 * a server to be down, if one is; `moves` says that the address is on the other one then.
 */
export type SurviveEvent = {
  readonly title: string
  readonly moves: boolean
  readonly act: (scene: Scene) => Promise<number | null>
  /** What of it is left to be undone, beside the start of the balancer that is gone. */
  readonly undo: (scene: Scene) => Promise<unknown>
}

/** An order is at work by then, and the other balancer knows. */
const orderMillis = 1500
/** After a reload or an upgrade what is wrong shows by then. */
const settleMillis = 500
const movePatience = { limit: 20_000, interval: 20 }
const downPatience = { limit: 20_000, interval: 10 }
/** Whom nobody has told so long after the server was found down is not told. */
const tellMillis = 3000

const untilMoved = ({ other }: Scene): Promise<unknown> =>
  waitFor(`${other.host.name} to hold the address`, () => holdsAddress(other.host), movePatience)

const drained = ({ field }: Scene) => {
  const [server] = field.databases
  if (server === undefined) throw new Error('there are no servers')
  return server
}

/** The server that loses its power in a field. */
export const cutServer = ({ databases }: Field) => {
  const server = databases.at(-1)
  if (server === undefined) throw new Error('there are no servers')
  return server
}

/** Each by its name. */
export const events: Readonly<Record<EventName, SurviveEvent>> = {
  reload: {
    title: 'reload',
    moves: false,
    act: async ({ active }) => {
      await active.reload()
      await sleep(settleMillis)
      return null
    },
    undo: async () => undefined,
  },
  upgrade: {
    title: 'upgrade of the program',
    moves: false,
    act: async ({ active }) => {
      await active.upgrade()
      await sleep(settleMillis)
      return null
    },
    undo: async () => undefined,
  },
  drain: {
    title: 'a server drained',
    moves: false,
    act: async (scene) => {
      await scene.active.order(drained(scene), 'drain')
      await sleep(settleMillis)
      return null
    },
    undo: (scene) => scene.active.order(drained(scene), 'ready'),
  },
  'hand-over': {
    title: 'clean hand-over',
    moves: true,
    act: async (scene) => {
      scene.active.stop()
      await untilMoved(scene)
      return null
    },
    undo: async () => undefined,
  },
  'power-cut': {
    title: 'power cut of the active balancer',
    moves: true,
    act: async (scene) => {
      await scene.active.host.powerCut()
      await untilMoved(scene)
      return null
    },
    undo: async () => undefined,
  },
  'drained-power-cut': {
    title: 'a server drained on both, then that power cut',
    moves: true,
    act: async (scene) => {
      for (const router of [scene.active, scene.other]) await router.order(drained(scene), 'drain')
      await sleep(orderMillis)
      await scene.active.host.powerCut()
      await untilMoved(scene)
      return null
    },
    undo: (scene) => scene.other.order(drained(scene), 'ready'),
  },
  'kill-all': {
    title: 'kill -9 of everything on the active balancer',
    moves: true,
    act: async (scene) => {
      await scene.active.host.killAll()
      await untilMoved(scene)
      return null
    },
    undo: async () => undefined,
  },
  'server-power-cut': {
    title: 'power cut of a server',
    moves: false,
    act: async ({ field, clients, active }) => {
      const server = cutServer(field)
      // All others see the same of it as if it had no power, and MariaDB need not be started again.
      await server.cutLink()
      await waitFor('the balancer to find it down', async () => !(await active.knowsServers()), downPatience)
      const downAt = Date.now()
      const isTold = (): boolean =>
        clients.now().every(({ server: name, lost }) => name !== server.name || lost !== null)
      await waitFor('its clients to be told', () => isTold() || Date.now() > downAt + tellMillis, { interval: 20 })
      return downAt
    },
    undo: ({ field }) => cutServer(field).restoreLink(),
  },
}
