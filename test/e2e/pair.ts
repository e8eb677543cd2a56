// Two balancers of a site in the hands of an operator: their configuration, their commands, and who holds the address.

import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Document, parseDocument } from 'yaml'
import { z } from 'zod'
import type { CommandResult } from '../lab/command.ts'
import type { Lab } from '../lab/lab.ts'
import { balancerProgram as program } from '../lab/programs.ts'
import { type BalancerHost, buildSite, instanceName, type Site, type SiteOptions, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { ask } from './sides.ts'

const shownSchema = z.array(
  z.object({
    name: z.string(),
    state: z.string(),
    reason: z.string(),
    handing_over: z.boolean(),
    priority: z.number(),
    priority_parts: z.array(z.object({ of: z.string(), value: z.number() })),
    last_advertisement: z.object({ from: z.string(), priority: z.number() }).nullable(),
  }),
)
type Shown = z.output<typeof shownSchema>[number]

type LogLine = { readonly msg: string; readonly level: string; readonly childPid?: number }

export type Pair = {
  readonly site: Site
  /** Priority 101 and 100; both preempt. */
  readonly first: BalancerHost
  readonly second: BalancerHost
  readonly untilHeldBy: (balancer: BalancerHost) => Promise<unknown>
  readonly command: (balancer: BalancerHost, ...words: readonly string[]) => Promise<CommandResult>
  /** The same over the runtime socket, without the time that a process takes to start. */
  readonly ask: (balancer: BalancerHost, line: string) => Promise<string>
  /** What `show vrrp --json` says there. */
  readonly showAll: (balancer: BalancerHost) => Promise<readonly Shown[]>
  /** The same of the first instance. */
  readonly show: (balancer: BalancerHost) => Promise<Shown>
  readonly untilState: (balancer: BalancerHost, state: string) => Promise<unknown>
  /** Changes the configuration and waits until it is applied. */
  readonly edit: (balancer: BalancerHost, change: (document: Document) => void) => Promise<void>
  readonly messages: (balancer: BalancerHost) => readonly string[]
  readonly childOf: (balancer: BalancerHost, role: string) => number
}

/** The path of a key of the first instance, or of one that all share. */
export const ofInstance = (...keys: readonly string[]): readonly (string | number)[] => [
  'vrrp',
  'instances',
  0,
  ...keys,
]

export const buildPair = async (lab: Lab, options: SiteOptions = {}): Promise<Pair> => {
  const site = await buildSite(lab, { databases: 1, ...options })
  const [first, second] = site.balancers
  if (first === undefined || second === undefined) throw new Error('the site has no two balancers')

  const log = (balancer: BalancerHost): readonly LogLine[] =>
    balancer
      .process()
      .lines()
      .filter((line) => line.startsWith('{'))
      .map((line): LogLine => JSON.parse(line))
  const messages = (balancer: BalancerHost): readonly string[] => log(balancer).map(({ msg }) => msg)
  const command: Pair['command'] = (balancer, ...words) =>
    balancer.host.run(process.execPath, [program, ...words, '--config', balancer.configFile], { env: balancer.env })
  const tell: Pair['ask'] = (balancer, line) => ask(join(dirname(balancer.configFile), 'admin.sock'), line)
  const showAll: Pair['showAll'] = async (balancer) => {
    return shownSchema.parse(JSON.parse(await tell(balancer, 'show vrrp --json')))
  }
  const show: Pair['show'] = async (balancer) => {
    const [shown] = await showAll(balancer)
    if (shown === undefined) throw new Error('no instance is shown')
    return shown
  }
  const untilHeldBy = (balancer: BalancerHost): Promise<unknown> =>
    waitFor(`${balancer.host.name} alone holds ${virtualAddress}`, async () => {
      const others = site.balancers.filter((one) => one !== balancer)
      const held = await Promise.all(others.map((one) => one.holdsAddress()))
      return (await balancer.holdsAddress()) && !held.includes(true)
    })
  const edit: Pair['edit'] = async (balancer, change) => {
    const document = parseDocument(readFileSync(balancer.configFile, 'utf8'))
    change(document)
    writeFileSync(balancer.configFile, String(document))
    const { code, stderr, stdout } = await command(balancer, 'reload')
    if (code !== 0) throw new Error(`the reload failed: ${stdout}${stderr}`)
  }
  for (const balancer of [first, second]) {
    await edit(balancer, (document) => document.setIn(ofInstance('preempt'), true))
  }
  await untilHeldBy(first)
  return {
    site,
    first,
    second,
    untilHeldBy,
    command,
    ask: tell,
    showAll,
    show,
    untilState: (balancer, state) =>
      waitFor(`${instanceName} on ${balancer.host.name} to be ${state}`, async () => {
        return (await balancer.status()).vrrp[0]?.state === state
      }),
    edit,
    messages,
    childOf: (balancer, role) => {
      const pid = log(balancer).findLast(({ msg }) => msg === `Process ${role} started`)?.childPid
      if (pid === undefined) throw new Error(`${balancer.host.name} has started no ${role}`)
      return pid
    },
  }
}
