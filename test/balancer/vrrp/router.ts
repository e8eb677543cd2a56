// The driver under test on a host of a lab, in a process of its own, and what it says.

import { fileURLToPath } from 'node:url'
import type { VrrpInstanceConfig } from '../../../balancer/config/vrrp-schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { VirtualRouterFact } from '../../../balancer/pool/core/facts.ts'
import type { Host } from '../../lab/host.ts'
import type { LabProcess } from '../../lab/lab-process.ts'
import { waitFor } from '../../lab/wait-for.ts'
import type { RouterProcessArguments } from './router-process.ts'

const program = fileURLToPath(new URL('./router-process.js', import.meta.url))

/** The virtual address of these tests. */
export const virtualAddress = { address: '198.18.0.100', prefixLength: 24 }

/** An instance like the one of `startKeepalived`: version 3, every 100 ms. */
export const instance = (changes: Partial<VrrpInstanceConfig> = {}): VrrpInstanceConfig => ({
  name: 'VI_1',
  interface: 'eth0',
  virtual_router_id: 51,
  version: 3,
  priority: 150,
  advertisement_interval: millis(100),
  preempt: true,
  virtual_addresses: [{ address: virtualAddress }],
  ...changes,
})

/** A running driver. */
export type Router = {
  readonly process: LabProcess
  readonly lastFact: () => VirtualRouterFact | undefined
  readonly waitForState: (state: VirtualRouterFact['state']) => Promise<VirtualRouterFact>
  /** The log lines with a message that matches. */
  readonly logged: (pattern: RegExp) => readonly object[]
}

/** How to start it: as the successor of a master, or without some of root's capabilities (`-net_raw,-net_admin`). */
export type RouterOptions = { readonly resume?: readonly string[]; readonly capabilities?: string }

/** Starts the driver with one instance on a host. */
export const startRouter = (
  host: Host,
  config: VrrpInstanceConfig,
  { resume = [], capabilities = '+all' }: RouterOptions = {},
): Router => {
  const given: RouterProcessArguments = { instances: [config], resume }
  const node = [process.execPath, '--enable-source-maps', program, JSON.stringify(given)]
  const labProcess = host.spawn('router', 'setpriv', ['--bounding-set', capabilities, '--', ...node])
  const printed = (): readonly (VirtualRouterFact | { readonly fact: undefined; readonly msg: string })[] =>
    labProcess.lines().flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  const facts = (): readonly VirtualRouterFact[] =>
    printed().flatMap((one) => (one.fact === 'virtual-router' ? [one] : []))
  return {
    process: labProcess,
    lastFact: () => facts().at(-1),
    waitForState: (state) =>
      waitFor(`${host.name} to be ${state}`, () => {
        const fact = facts().at(-1)
        return fact?.state === state ? fact : undefined
      }),
    logged: (pattern) => printed().flatMap((one) => (one.fact === undefined && pattern.test(one.msg) ? [one] : [])),
  }
}
