// All virtual routers of this host: what they share, how they start together and stop together.

import type { Logger } from 'pino'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import { missingCapabilities } from '../os/capabilities.ts'
import { listenToNetwork, openNetlink } from '../os/netlink.ts'
import { openPacketSocket } from '../os/packet-socket.ts'
import type { VirtualRouterFact } from '../pool/core/facts.ts'
import type { Advertisement } from './core/advertisement.ts'
import { createReport } from './report.ts'
import { prepareVirtualRouter, type VirtualRouterDriver } from './virtual-router.ts'

/** `mayResume` tells of an instance that it was master when the process before this one died, and is not missed yet. */
export type VirtualRoutersOptions = {
  readonly instances: readonly VrrpInstanceConfig[]
  readonly mayResume: (instance: string) => boolean
  readonly log: Logger
  /** Called at every change of state and every second. */
  readonly publish: (fact: VirtualRouterFact) => void
}

/** The running virtual routers; `stop` resolves when priority 0 is out and the addresses are gone. */
export type VirtualRouters = { readonly stop: () => Promise<void> }

const tickInterval = 1000

/** Starts all instances, or throws `FailedStart` before anything was sent. */
export const startVirtualRouters = async (options: VirtualRoutersOptions): Promise<VirtualRouters> => {
  const { instances, mayResume, log, publish } = options
  if (instances.length === 0) return { stop: async () => undefined }
  const missing = await missingCapabilities(['net_admin', 'net_raw'])
  if (missing.length > 0) {
    const names = missing.map((capability) => `CAP_${capability.toUpperCase()}`).join(' and ')
    throw new FailedStart(`VRRP needs ${names}. Start as root, or give the unit AmbientCapabilities=${names}.`)
  }
  const packets = openPacketSocket()
  if (!packets.ok) throw new FailedStart(`VRRP ${packets.text}`)

  const drivers = new Map<string, VirtualRouterDriver>()
  const netlink = openNetlink()
  const changed = (): void => {
    for (const driver of drivers.values()) driver.networkChanged()
  }
  const virtual = new Set(instances.flatMap((config) => config.virtual_addresses.map(({ address }) => address.address)))
  const watched = new Set(instances.flatMap((config) => [config.interface, ...devicesOf(config)]))
  const stopListening = listenToNetwork({
    // Every renewal of a lease is an event too; only a loss and what is not virtual can mean a change.
    onAddress: ({ address }, present) => {
      if (!present || !virtual.has(address)) changed()
    },
    onLink: (name) => {
      if (watched.has(name)) changed()
    },
    onOverrun: changed,
  })
  const close = (): void => {
    stopListening()
    netlink.close()
    packets.value.close()
  }

  const prepared = new Map<string, VirtualRouterDriver>()
  try {
    for (const config of instances) {
      const advertisement = advertisementOf(config)
      const report = createReport(config, advertisement, log, publish)
      const tools = { netlink, packets: packets.value, virtual, report }
      prepared.set(config.name, await prepareVirtualRouter(config, advertisement, tools))
    }
  } catch (error) {
    close()
    throw error
  }
  for (const [name, driver] of prepared) {
    drivers.set(name, driver)
    driver.start(mayResume(name))
    // What changed since it looked around.
    driver.networkChanged()
  }
  const ticker = setInterval(() => {
    for (const driver of drivers.values()) driver.tick()
  }, tickInterval)

  const stop = async (): Promise<void> => {
    clearInterval(ticker)
    await Promise.all([...drivers.values()].map((driver) => driver.stop()))
    drivers.clear()
    close()
  }
  return { stop }
}

const advertisementOf = (config: VrrpInstanceConfig): Advertisement => ({
  version: config.version,
  virtualRouterId: config.virtual_router_id,
  priority: config.priority,
  interval: config.advertisement_interval,
  addresses: config.virtual_addresses.map(({ address }) => address.address),
})

const devicesOf = (config: VrrpInstanceConfig): readonly string[] =>
  config.virtual_addresses.flatMap(({ dev }) => (dev === undefined ? [] : [dev]))
