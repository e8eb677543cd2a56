// The driver under test on a host of a lab, in a process of its own, and what it says.

import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type VrrpConfig, type VrrpInstanceConfig, vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import type { VirtualRouterFact } from '../../../balancer/pool/core/facts.ts'
import type { Host } from '../../lab/host.ts'
import type { LabProcess } from '../../lab/lab-process.ts'
import { waitFor } from '../../lab/wait-for.ts'
import type { RouterProcessArguments } from './router-process.ts'

const program = fileURLToPath(new URL('./router-process.js', import.meta.url))

/** The virtual address of these tests. */
export const virtualAddress = { address: '198.18.0.100', prefixLength: 24 }

/** An instance like the one of `startKeepalived`: version 3, every 100 ms; the rest as the configuration has it. */
export const instance = (changes: Partial<VrrpInstanceConfig> = {}): VrrpInstanceConfig => {
  const [first] = vrrpSchema.parse({
    instances: [
      {
        name: 'VI_1',
        interface: 'eth0',
        virtual_router_id: 51,
        version: 3,
        priority: 150,
        advertisement_interval: '100ms',
        // Nothing is forwarded in these tests.
        track: { serving: false },
        virtual_addresses: [`${virtualAddress.address}/${virtualAddress.prefixLength}`],
      },
    ],
  }).instances
  if (first === undefined) throw new Error('the schema lost the instance')
  return { ...first, ...changes }
}

/** These instances, and the groups that they are in. */
export const vrrpOf = (
  instances: readonly VrrpInstanceConfig[],
  groups: readonly { readonly name: string; readonly instances: string[] }[] = [],
): VrrpConfig => ({ ...vrrpSchema.parse({ sync_groups: groups }), instances: [...instances] })

/** A running driver. */
export type Router = {
  readonly process: LabProcess
  readonly lastFact: () => VirtualRouterFact | undefined
  readonly waitForState: (state: VirtualRouterFact['state']) => Promise<VirtualRouterFact>
  /** The log lines with a message that matches. */
  readonly logged: (pattern: RegExp) => readonly object[]
  /** The last fact about another instance than the first. */
  readonly factOf: (name: string) => VirtualRouterFact | undefined
  /** Gives it a new configuration and returns the lines that it answers with. */
  readonly reconfigure: (vrrp: VrrpConfig) => Promise<readonly string[]>
  /** Gives it one that it does not take, and returns why. */
  readonly refuse: (vrrp: VrrpConfig) => Promise<string>
}

/**
 * How to start it: as the successor of a master, without some of root's capabilities (`-net_raw,-net_admin`), or where the
 * program at the path `broken` only fails.
 */
export type RouterOptions = {
  readonly resume?: readonly string[]
  readonly capabilities?: string
  readonly broken?: string
}

/** Starts the driver with one instance on a host. */
export const startRouter = (
  host: Host,
  config: VrrpInstanceConfig | VrrpConfig,
  { resume = [], capabilities = '+all', broken }: RouterOptions = {},
): Router => {
  const vrrp = 'instances' in config ? config : vrrpOf([config])
  const given: RouterProcessArguments = { vrrp, resume }
  const first = vrrp.instances[0]?.name
  const nextFile = join(mkdtempSync(join(tmpdir(), 'vrrp-router-')), 'next.json')
  const node = [
    process.execPath,
    '--single-threaded-gc',
    '--enable-source-maps',
    program,
    JSON.stringify(given),
    nextFile,
  ]
  const words = ['setpriv', '--bounding-set', capabilities, '--', ...node]
  const breaking = ['sh', '-c', 'mount --bind /bin/false "$0" && exec "$@"', broken ?? '', ...words]
  const labProcess =
    broken === undefined
      ? host.spawn('router', 'setpriv', words.slice(1))
      : host.spawn('router', 'unshare', ['--mount', '--', ...breaking])
  const printed = (): readonly (VirtualRouterFact | { readonly fact: undefined; readonly msg: string })[] =>
    labProcess.lines().flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  const facts = (): readonly VirtualRouterFact[] =>
    printed().flatMap((one) => (one.fact === 'virtual-router' ? [one] : []))
  const factOf = (name: string): VirtualRouterFact | undefined => facts().findLast((fact) => fact.name === name)
  const give = async (next: VrrpConfig, beginning: string): Promise<string> => {
    writeFileSync(nextFile, JSON.stringify(next))
    const answers = () => labProcess.lines().filter((line) => line.startsWith(beginning))
    const before = answers().length
    labProcess.signal('SIGHUP')
    return (await waitFor('an answer', () => answers()[before])).replace(beginning, '')
  }
  return {
    process: labProcess,
    lastFact: () => factOf(first ?? ''),
    factOf,
    waitForState: (state) =>
      waitFor(`${host.name} to be ${state}`, () => {
        const fact = factOf(first ?? '')
        return fact?.state === state ? fact : undefined
      }),
    reconfigure: async (next) => JSON.parse(await give(next, 'reconfigured: ')),
    refuse: (next) => give(next, 'refused: '),
    logged: (pattern) => printed().flatMap((one) => (one.fact === undefined && pattern.test(one.msg) ? [one] : [])),
  }
}
