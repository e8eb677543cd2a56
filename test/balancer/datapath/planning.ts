// What the tests of the plan share: configurations, and a plan that remembers what it wanted done.

import { listenerSchema } from '../../../balancer/config/listener-schema.ts'
import type { ListenerConfig } from '../../../balancer/config/schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import {
  deadlineOf,
  type Plan,
  type PlanEffect,
  type PlanEvent,
  startPlan,
  step,
  targetsOf,
} from '../../../balancer/datapath/core/plan.ts'
import type { ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { failedCheck, healthFact } from '../pool/health-fact.ts'

/** A listener with these servers; each has an address of its own that goes with its name, unless told. */
export const listenerOf = (
  keys: Record<string, unknown> = {},
  servers: readonly (string | { readonly name: string; readonly address: string })[] = ['a', 'b'],
): ListenerConfig =>
  listenerSchema.parse({
    name: 'mysql',
    bind: '198.18.0.100:3306',
    servers: servers.map((server) =>
      typeof server === 'string' ? { name: server, address: `198.18.1.${server.charCodeAt(0)}:3306` } : server,
    ),
    ...keys,
  })

/** A server that is down because it is dead. */
export const dead: Partial<ServerHealthFact> = { up: false, lastCheck: failedCheck() }
/** A server that an operator took out, and that still works. */
export const takenOut: Partial<ServerHealthFact> = { up: false, lastCheck: failedCheck('force-fail') }

type Sudden = PlanEvent extends infer E ? (E extends PlanEvent ? Omit<E, 'at'> : never) : never

/** A plan that is told what happens, at moments in milliseconds. */
export type Told = {
  /** What has to be done then, in short words: `end-sessions a server-down < 100`. */
  readonly at: (moment: number, event: Sudden) => readonly string[]
  readonly hear: (
    moment: number,
    server: string,
    change?: Partial<ServerHealthFact>,
    lasted?: number,
  ) => readonly string[]
  readonly writer: (moment: number, server: string | null) => readonly string[]
  readonly reconfigure: (moment: number, config: ListenerConfig) => readonly string[]
  readonly wake: (moment: number) => readonly string[]
  readonly deadline: () => number | null
  /** Names of the targets. */
  readonly targets: (moment: number) => string
  readonly plan: () => Plan
}

/** Tells a plan; all `up` servers are up for long. */
export const tell = (
  config: ListenerConfig,
  { adopts = false, up = config.servers.map(({ name }) => name) }: { adopts?: boolean; up?: readonly string[] } = {},
): Told => {
  let plan = startPlan(config, { adopts })
  const at: Told['at'] = (moment, event) => {
    const [next, effects] = step(plan, { ...event, at: millis(moment) })
    plan = next
    return effects.map(inWords)
  }
  const hear: Told['hear'] = (moment, server, change = {}, lasted = 0) =>
    at(moment, { event: 'health', fact: healthFact(server, change), lasted: millis(lasted) })
  for (const server of up) hear(0, server, {}, 1e9)
  return {
    at,
    hear,
    writer: (moment, server) => at(moment, { event: 'writer', server }),
    reconfigure: (moment, next) => at(moment, { event: 'reconfigured', config: next }),
    wake: (moment) => at(moment, { event: 'deadline-reached' }),
    deadline: () => deadlineOf(plan),
    targets: (moment) =>
      targetsOf(plan, millis(moment))
        .targets.map(({ server }) => server)
        .join(''),
    plan: () => plan,
  }
}

const inWords = (effect: PlanEffect): string => {
  const { effect: what, server } = effect
  if (what === 'forget-failures') return `${what} ${server}`
  if (what === 'end-attempts') return `${what} ${server} ${effect.reason}`
  return `${what} ${server} ${effect.reason} < ${effect.begunBefore}`
}
