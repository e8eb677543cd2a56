// Whatever happens in whatever order: a listener of sessions that carries out what its plan says.

import fc from 'fast-check'
import t from 'tap'
import type { ListenerConfig } from '../../../balancer/config/schema.ts'
import { type Millis, millis } from '../../../balancer/core/time.ts'
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
import { healthFact } from '../pool/health-fact.ts'
import { dead, listenerOf, takenOut } from './planning.ts'

const names = ['a', 'b', 'c', 'd']

type Keys = {
  readonly balance: string
  readonly on_marked_down: string
  readonly shutdown_grace: string
  readonly on_marked_up: string
  readonly panic_threshold: number
  readonly all_backups: boolean
  readonly slow_start: string
}

/** What happens. `wait` lets the deadlines pass in time, `stall` does not, `connect` takes the target of that number. */
type Happening =
  | { readonly type: 'wait' | 'stall'; readonly for: number }
  | { readonly type: 'connect' | 'close'; readonly which: number }
  | { readonly type: 'establish' }
  | { readonly type: 'health'; readonly server: string; readonly change: Partial<ServerHealthFact> }
  | { readonly type: 'writer'; readonly server: string | null }
  | { readonly type: 'reload'; readonly keys: Keys; readonly servers: readonly string[]; readonly renames: boolean }

const keys = (given: Partial<Record<keyof Keys, fc.Arbitrary<unknown>>> = {}) =>
  fc.record({
    balance: fc.constantFrom('roundrobin', 'single'),
    on_marked_down: fc.constantFrom('shutdown_sessions', 'keep'),
    shutdown_grace: fc.constantFrom('0s', '1s'),
    on_marked_up: fc.constantFrom('keep', 'shutdown_backup_sessions'),
    panic_threshold: fc.constantFrom(0, 2),
    all_backups: fc.boolean(),
    slow_start: fc.constantFrom('0s', '2s'),
    ...given,
  }) as fc.Arbitrary<Keys>

const health = fc
  .record({
    state: fc.constantFrom<Partial<ServerHealthFact>>(
      {},
      {},
      {},
      dead,
      takenOut,
      { admin: 'drain' },
      { draining: true },
    ),
    weight: fc.constantFrom(1, 1, 3, 0),
    backup: fc.constantFrom(false, false, true),
    role: fc.constantFrom<ServerHealthFact['role']>('unknown', 'primary', 'replica'),
  })
  .map(({ state, ...rest }) => ({ ...rest, ...state }))

const span = fc.constantFrom(1, 10, 200, 499, 500, 501, 1100)
const happening = (config: fc.Arbitrary<Keys>): fc.Arbitrary<Happening> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('wait', 'stall'), for: span }) },
    { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('connect', 'close'), which: fc.nat(7) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('establish') }) },
    {
      weight: 6,
      arbitrary: fc.record({ type: fc.constant('health'), server: fc.constantFrom(...names), change: health }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('writer'), server: fc.constantFrom(null, ...names) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('reload'),
        keys: config,
        servers: fc.subarray(names, { minLength: 1 }),
        renames: fc.boolean(),
      }),
    },
  ) as fc.Arbitrary<Happening>

type Session = { readonly on: number; readonly begun: number | null }

/** Sessions and attempts (`begun` null) of a listener that knows single clients, or that does not. */
const simulate = (first: ListenerConfig, knows: boolean) => {
  let plan: Plan = startPlan(first, { adopts: false })
  let now = 1000
  let sessions: readonly Session[] = []
  const faults: string[] = []
  /** When a server was last told to give up its attempts: who comes later came after it was vacated. */
  const vacated = new Map<number, number>()

  const carryOut = (effects: readonly PlanEffect[], isByDeadline: boolean): void => {
    const begunAnew = new Set<number>()
    for (const effect of effects) {
      if (effect.effect === 'forget-failures') continue
      const isHere = ({ on }: Session): boolean => on === effect.id
      if (effect.effect === 'end-attempts') {
        sessions = sessions.filter((session) => !isHere(session) || session.begun !== null)
        vacated.set(effect.id, now)
        begunAnew.add(effect.id)
        continue
      }
      const { begunBefore } = effect
      if (isByDeadline && !begunAnew.has(effect.id) && begunBefore > (vacated.get(effect.id) ?? 0)) {
        faults.push(`${effect.server} loses who came since it was vacated`)
      }
      sessions = sessions.filter((session) => !isHere(session) || session.begun === null || session.begun > begunBefore)
    }
  }
  const take = (event: PlanEvent): void => {
    const [next, effects] = step(plan, event)
    plan = next
    carryOut(effects, event.event === 'deadline-reached')
  }
  const at = (): Millis => millis(now)
  const tellEmptied = (): void => {
    if (!knows) return
    for (const { id } of [...plan.servers, ...plan.departed]) {
      if (!sessions.some(({ on }) => on === id)) take({ event: 'emptied', at: at(), id })
    }
  }
  const wait = (span: number): void => {
    const end = now + span
    for (let due = deadlineOf(plan); due !== null && due <= end; due = deadlineOf(plan)) {
      now = due
      take({ event: 'deadline-reached', at: at() })
    }
    now = end
  }
  const act = (what: Happening): void => {
    switch (what.type) {
      case 'wait':
        wait(what.for)
        break
      case 'stall':
        now += what.for
        take({ event: 'deadline-reached', at: at() })
        break
      case 'connect': {
        const { targets } = targetsOf(plan, at())
        const target = targets[what.which % Math.max(1, targets.length)]
        if (target !== undefined) sessions = [...sessions, { on: target.id, begun: null }]
        break
      }
      case 'close':
        sessions = sessions.filter((_, i) => i !== what.which)
        break
      case 'establish':
        sessions = sessions.map((session) => ({ ...session, begun: session.begun ?? now }))
        break
      case 'health':
        take({ event: 'health', at: at(), fact: healthFact(what.server, what.change), lasted: millis(0) })
        break
      case 'writer':
        take({ event: 'writer', at: at(), server: what.server })
        break
      case 'reload': {
        const servers = what.servers.map((name) => ({
          name: what.renames ? `${name}${name}` : name,
          address: `198.18.1.${name.charCodeAt(0)}:3306`,
        }))
        take({ event: 'reconfigured', at: at(), config: listenerOf(what.keys, servers) })
        break
      }
      default:
        what satisfies never
    }
  }
  /** What must never be. */
  const look = (): void => {
    const deadline = deadlineOf(plan)
    if (deadline !== null && deadline <= now) faults.push('a deadline is in the past')
    const [same, nothing] = step(plan, { event: 'deadline-reached', at: at() })
    if (same !== plan || nothing.length > 0) faults.push('a deadline that is not due does something')
    const { targets, isPanicking, changesAt } = targetsOf(plan, at())
    if (changesAt !== null && changesAt <= now) faults.push('a weight should have changed')
    for (const { id, server, weight } of targets) {
      const fact = plan.servers.find((one) => one.id === id)?.fact
      const isOut = fact === null || fact === undefined || fact.admin !== 'ready' || fact.draining
      if (isOut || (!fact.up && !isPanicking)) faults.push(`${server} takes sessions`)
      else if (weight <= 0 || weight > fact.weight) faults.push(`${server} has the weight ${weight}`)
    }
    if (plan.config.balance !== 'single') return
    if (targets.some(({ server }) => server !== plan.writer)) faults.push('another than the writer takes sessions')
    if (targets.length > 0 && sessions.some(({ on }) => on !== targets[0]?.id)) faults.push('the writer is not alone')
  }
  return {
    faults,
    run: (happenings: readonly Happening[]): void => {
      for (const what of happenings) {
        act(what)
        tellEmptied()
        look()
      }
    },
    /** The servers that have a session when all deadlines have passed. */
    atRest: () => {
      wait(10_000)
      if (deadlineOf(plan) !== null) faults.push('it does not come to rest')
      return { plan, on: new Set(sessions.map(({ on }) => on)) }
    },
  }
}

const runs = { numRuns: 2000 }

t.test('sessions begin on targets alone, a writer is alone, who came since stays, deadlines lie ahead', async (t) => {
  const history = fc.record({
    first: keys(),
    happenings: fc.array(happening(keys()), { maxLength: 40 }),
    knows: fc.boolean(),
  })
  const held = fc.property(history, ({ first, happenings, knows }) => {
    const { run, faults } = simulate(listenerOf(first, names), knows)
    run(happenings)
    return faults.length === 0
  })
  fc.assert(held, runs)
  t.pass('held for all generated histories')
})

t.test('without keep and panic, a server that is down or gone has nobody in the end', async (t) => {
  const strict = keys({ on_marked_down: fc.constant('shutdown_sessions'), panic_threshold: fc.constant(0) })
  const history = fc.record({
    first: strict,
    happenings: fc.array(happening(strict), { maxLength: 40 }),
    knows: fc.boolean(),
  })
  const held = fc.property(history, ({ first, happenings, knows }) => {
    const { run, atRest, faults } = simulate(listenerOf(first, names), knows)
    run(happenings)
    const { plan, on } = atRest()
    const mayHaveSome = new Set(plan.servers.filter(({ fact }) => fact === null || fact.up).map(({ id }) => id))
    return faults.length === 0 && plan.departed.length === 0 && [...on].every((id) => mayHaveSome.has(id))
  })
  fc.assert(held, runs)
  t.pass('held for all generated histories')
})
