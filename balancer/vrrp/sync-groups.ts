// The sync groups of this host: tells the members of a group what has happened to one of them.

import type { VrrpConfig } from '../config/vrrp-schema.ts'
import type { VirtualRouter } from './core/state.ts'
import { groupNews } from './core/sync-group.ts'
import type { VirtualRouterDriver } from './virtual-router.ts'

type Drivers = ReadonlyMap<string, VirtualRouterDriver>

/** The name of the sync group of an instance; null if it is in none. */
export const groupOf = (vrrp: VrrpConfig, instance: string): string | null =>
  vrrp.sync_groups.find(({ instances }) => instances.includes(instance))?.name ?? null

/** Passes on what one member did since it was in the state `before`. `drivers` are the running ones by name. */
export const tellGroup = (
  vrrp: VrrpConfig,
  drivers: Drivers,
  instance: string,
  before: VirtualRouter['state'],
): void => {
  const group = vrrp.sync_groups.find(({ instances }) => instances.includes(instance))
  const mover = drivers.get(instance)
  if (group === undefined || mover === undefined) return
  const members = group.instances.flatMap((name) => drivers.get(name) ?? [])
  const moved = members.indexOf(mover)
  const routers = members.map((member) => member.router())
  for (const { member, happening } of groupNews(group.name, routers, moved, before)) {
    members[member]?.dispatch(happening)
  }
}

/** After the groups themselves have changed: who was held by one it left is free, and members of one go together. */
export const settleGroups = (vrrp: VrrpConfig, drivers: Drivers): void => {
  for (const [name, driver] of drivers) {
    const { state, held } = driver.router()
    if (groupOf(vrrp, name) !== null) tellGroup(vrrp, drivers, name, state === 'master' ? 'backup' : state)
    else if (held !== null) driver.dispatch({ event: 'hold-changed', reason: null })
  }
}
