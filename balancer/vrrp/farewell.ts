// What the parent process does for virtual routers whose own process died and is not back in time: it hands their
// addresses over, so that the other routers need not wait for silence.

import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { VrrpConfig, VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { handOverWait, masterDownInterval } from './core/timers.ts'
import { lastWord } from './core/transitions.ts'
import { allAddresses } from './instance.ts'
import { openSharedHost, type SharedHost } from './shared-host.ts'
import { lookAround } from './surroundings.ts'
import { openTransport } from './transport.ts'
import { createVirtualAddresses } from './virtual-addresses.ts'

const resigning = 0

/**
 * Sends priority 0 for the named instances and removes their addresses when another master is heard, or nobody came. It
 * ends early with `back`: then their own process sees to all that. Throws `FailedStart` when this process may not do so.
 */
export const sayFarewell = async (
  vrrp: VrrpConfig,
  names: readonly string[],
  log: Logger,
  back: AbortSignal,
): Promise<void> => {
  const host = await openSharedHost({ onAddress: () => {}, onLink: () => {}, onOverrun: () => {} })
  try {
    const instances = vrrp.instances.filter(({ name }) => names.includes(name))
    await Promise.all(instances.map((config) => handOver({ config, vrrp, host, log, back })))
  } finally {
    host.close()
  }
}

type HandOver = {
  readonly config: VrrpInstanceConfig
  readonly vrrp: VrrpConfig
  readonly host: SharedHost
  readonly log: Logger
  readonly back: AbortSignal
}

const handOver = async ({ config, vrrp, host, log, back }: HandOver): Promise<void> => {
  const { netlink, wires, packets } = host
  const virtual = new Set(vrrp.instances.flatMap((one) => allAddresses(one).map(({ address }) => address.address)))
  const around = await lookAround(netlink, config, virtual)
  const device = around.devices.get(config.interface)
  if (!around.link.up || device === undefined || back.aborted) return
  const { version, priority, advertisement_interval: interval } = config
  const { address } = around.link
  /** Said when the addresses are gone. */
  let word = resigning
  let onSuccessor = (): void => {}
  const successor = new Promise<void>((resolve) => {
    onSuccessor = resolve
  })
  const transport = openTransport({
    config,
    device,
    address,
    wires,
    packets,
    onHeard: (from, heard) => {
      if (heard.priority === resigning) return
      word = lastWord({ from, priority: heard.priority }, address, priority)
      onSuccessor()
    },
    onDropped: () => {},
    onFailure: onSuccessor,
  })
  if (!transport.ok) return
  transport.value.send(resigning)
  log.warn({ instance: config.name }, `(${config.name}) sent 0 priority: its process is not back in time`)
  await Promise.race([successor, aborted(back), wait(handOverWait(masterDownInterval(version, priority, interval)))])
  if (back.aborted) {
    transport.value.close()
    return
  }
  const addresses = createVirtualAddresses({
    config,
    devices: () => around.devices,
    netlink,
    packets,
    onRoutes: () => {},
  })
  const removed = await addresses.remove()
  // This host has answered for them until now: their new master shall announce them once more.
  transport.value.send(word)
  transport.value.close()
  if (!removed.ok)
    log.warn({ instance: config.name }, `(${config.name}) ${removed.text}; the kernel does it when the lease ends`)
}

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
