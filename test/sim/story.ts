// How a story is told: a rule of VRRP, played on a simulated network without chance, makes a transcript.

import { millis } from '../../balancer/core/time.ts'
import type { Settings } from '../../balancer/vrrp/core/state.ts'
import type { SimulatedHost } from './host.ts'
import { createLan, type Lan, type Special } from './lan.ts'
import { createRandom } from './random.ts'

/** A story: the rule it shows, the routers, and what happens to them. `name` is also the name of its file. */
export type Story = {
  readonly name: string
  readonly rule: string
  readonly routers: readonly Partial<Settings>[]
  /** What else is not usual about each of them. */
  readonly special?: readonly Special[]
  readonly play: (lan: Lan, hosts: readonly [SimulatedHost, SimulatedHost, ...SimulatedHost[]]) => void
}

/** A router as it is unless a story says otherwise. */
export const usual: Settings = {
  name: 'lb',
  version: 3,
  priority: 100,
  interval: millis(1000),
  preempt: true,
  preemptDelay: millis(0),
  announcements: { repeat: 5, delay: millis(0), refresh: null, refreshRepeat: 1 },
}
/** The first is master once both are started. */
export const masterAndBackup = [{ priority: 150 }, { priority: 100 }] as const
const seed = 1

/** Plays a story and returns its transcript, ready for a file. */
export const tell = ({ rule, routers, special = [], play }: Story): string => {
  const settings = routers.map((changes, i) => ({ ...usual, name: `lb${i + 1}`, ...changes }))
  const lan = createLan(settings, createRandom(seed), { special: (i) => special[i] ?? {} })
  const [first, second, ...others] = lan.hosts
  if (first === undefined || second === undefined) throw new Error('a story has at least two routers')
  play(lan, [first, second, ...others])
  const cast = settings.map((one, i) => `${describe(one, i)}${remark(special[i])}`).join('\n')
  return `# ${rule}\n#\n${cast}\n\n${lan.transcript.join('\n')}\n`
}

const describe = ({ name, version, priority, interval, preempt, preemptDelay }: Settings, i: number): string => {
  const manners = preempt ? (preemptDelay > 0 ? `preempts after ${preemptDelay} ms` : 'preempts') : 'does not preempt'
  return `# ${name}: 198.18.0.${i + 1}, version ${version}, priority ${priority}, every ${interval} ms, ${manners}`
}

const remark = ({ addresses, peers }: Special = {}): string =>
  `${addresses === undefined ? '' : `, for ${addresses.join(', ')}`}${peers === undefined ? '' : `, unicast to ${peers.join(', ')}`}`

/** Boots all hosts and waits until one is master. */
export const settle = (lan: Lan, hosts: readonly SimulatedHost[]): void => {
  for (const host of hosts) host.boot(false)
  lan.clock.runUntil(lan.clock.now() + settling)
}
/** Milliseconds. */
export const settling = 5000
/** Lets time pass, in milliseconds. */
export const wait = (lan: Lan, delay: number): void => lan.clock.runUntil(lan.clock.now() + delay)
/** The narrator says what happens, it happens, and time passes. */
export const next = (lan: Lan, text: string, action: () => void, delay: number): void => {
  lan.note(`            -- ${text}`)
  action()
  wait(lan, delay)
}
