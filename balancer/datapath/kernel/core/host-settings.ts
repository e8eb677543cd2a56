// Which kernel settings the listeners need, what they were before, and in what order they are changed and put back.
// Keys are names with slashes, as sysctl.d(5) has them: the name of an interface may have dots.

import type { ForwardingDemand } from './forwarding.ts'

/** What the datapath asks of the kernel: forwarding by interface, bytes, times and events of tracked connections. */
export type HostDemand = {
  readonly forwarding: ForwardingDemand
  readonly accounting: boolean
  readonly timestamps: boolean
  /** Of all connections: by itself a kernel tells nothing of one that began when nobody listened. */
  readonly events: boolean
}

/** The settings of this host as they are now; null for one that is not there. `devices` are the interfaces with IPv6. */
export type Settings = { readonly read: (key: string) => string | null; readonly devices: readonly string[] }

/** One write. */
export type Step = { readonly key: string; readonly value: string }

/**
 * A setting that was changed. `ours` is null while it is changed for a moment only. `witness` is a setting that is another one
 * when somebody has made this host a router meanwhile: then ours is not put back.
 */
export type Remembered = {
  readonly key: string
  readonly before: string
  readonly ours: string | null
  readonly witness?: Step | undefined
}

/** What to remember before the first step, and what afterwards. `routesEverything`: IPv6 is forwarded between all networks. */
export type SettingsChange = {
  readonly memory: readonly Remembered[]
  readonly steps: readonly Step[]
  readonly after: readonly Remembered[]
  readonly routesEverything: boolean
}

const accountingKey = 'net/netfilter/nf_conntrack_acct'
const timestampsKey = 'net/netfilter/nf_conntrack_timestamp'
const eventsKey = 'net/netfilter/nf_conntrack_events'
const everyIpv4 = 'net/ipv4/conf/all/forwarding'
const everyIpv6 = 'net/ipv6/conf/all/forwarding'
const ipv6Key = (device: string, name: string): string => `net/ipv6/conf/${device}/${name}`

/** What brings the host to the demand from what it is and what is remembered. Without a difference there are no steps. */
export const planSettings = (demand: HostDemand, memory: readonly Remembered[], settings: Settings): SettingsChange => {
  const wanted = wantedSettings(demand, memory, settings)
  const given = memory.filter(({ key, ours }) => ours !== null && !wanted.some((one) => one.key === key))
  const kept = memory.filter((one) => !given.includes(one) && one.ours !== null)
  const missing = wanted.filter(({ key, value }) => ![value, null].includes(settings.read(key)))
  const added = missing
    .filter(({ key }) => !kept.some((one) => one.key === key))
    .map(({ key, value }) => remember(key, value, settings))
  const back = backSteps(given, settings)
  const { before, after } = hostsStayHosts([...back, ...missing], settings)
  const steps = [...before, ...back, ...missing, ...after]
  const passing = [...new Set([...before, ...after].map(({ key }) => key))]
    .filter((key) => !wanted.some((one) => one.key === key))
    .map((key) => ({ key, before: settings.read(key) ?? '', ours: null }))
  return {
    memory: [...kept, ...given, ...added, ...passing],
    steps,
    after: [...kept, ...added],
    routesEverything: wanted.some(({ key }) => key === everyIpv6),
  }
}

/** What a change that was cut off has left for a moment only: to be put back first of all. */
export const unfinishedSteps = (memory: readonly Remembered[], { read }: Pick<Settings, 'read'>): readonly Step[] => {
  const passing = memory.filter(({ ours }) => ours === null).map(({ key, before }) => ({ key, value: before }))
  const changed = passing.filter(({ key, value }) => read(key) !== null && read(key) !== value)
  const accepting = passing.filter(({ key }) => key.endsWith('/accept_ra'))
  const forwarding = changed.filter(({ key }) => key.endsWith('/forwarding'))
  return [
    ...(forwarding.some(({ value }) => value === on) ? accepting.map(({ key }) => ({ key, value: '2' })) : []),
    ...forwarding,
    ...(forwarding.length > 0 ? accepting : changed),
  ]
}

const on = '1'
const off = '0'

const wantedSettings = (
  { forwarding, accounting, timestamps, events }: HostDemand,
  memory: readonly Remembered[],
  settings: Settings,
): readonly Step[] => [
  ...forwarding.ipv4.map((device) => ({ key: `net/ipv4/conf/${device}/forwarding`, value: on })),
  ...ipv6Forwarding(forwarding.ipv6, memory, settings),
  ...(accounting ? [{ key: accountingKey, value: on }] : []),
  ...(timestamps ? [{ key: timestampsKey, value: on }] : []),
  ...(events ? [{ key: eventsKey, value: on }] : []),
]

/**
 * `forwarding` of one interface only makes it speak as a router; what forwards is that of all, and since Linux 6.17
 * `force_forwarding` of the interface where a packet comes in.
 */
const ipv6Forwarding = (
  devices: readonly string[],
  memory: readonly Remembered[],
  { read }: Settings,
): readonly Step[] => {
  if (devices.length === 0) return []
  const isOurs = memory.some(({ key, ours }) => key === everyIpv6 && ours !== null)
  if (!isOurs && read(everyIpv6) === on) return []
  const each = devices.map((device) => ({ key: ipv6Key(device, 'force_forwarding'), value: on }))
  return each.some(({ key }) => read(key) !== null) ? each : [{ key: everyIpv6, value: on }]
}

const remember = (key: string, ours: string, { read }: Settings): Remembered => {
  // Whoever switches all on sets those that are made later as well, which a change of ours puts back.
  const witness =
    key === everyIpv6 ? ipv6Key('default', 'forwarding') : key.startsWith('net/ipv4/conf/') ? everyIpv4 : undefined
  return {
    key,
    before: read(key) ?? '',
    ours,
    ...(witness === undefined ? {} : { witness: { key: witness, value: read(witness) ?? '' } }),
  }
}

/** A setting that somebody has changed since is theirs. */
const backSteps = (given: readonly Remembered[], { read }: Settings): readonly Step[] =>
  given
    .filter(
      ({ key, ours, witness }) => read(key) === ours && (witness === undefined || read(witness.key) === witness.value),
    )
    .map(({ key, before }) => ({ key, value: before }))

/**
 * Writing `all` writes every interface, and switching on drops the default routes that routers have announced (accept_ra = 1
 * takes no advertisement where forwarding is on; 2 does). Every interface stays what it was: a host, with its routes.
 */
const hostsStayHosts = (
  steps: readonly Step[],
  { read, devices }: Settings,
): { readonly before: readonly Step[]; readonly after: readonly Step[] } => {
  const all = steps.find(({ key }) => key === everyIpv6)
  if (all === undefined) return { before: [], after: [] }
  const forwards = (device: string): string | null => read(ipv6Key(device, 'forwarding'))
  const accepting = devices
    .filter((device) => forwards(device) === off)
    .map((device) => ipv6Key(device, 'accept_ra'))
    .filter((key) => read(key) === on)
  const changed = [...devices, 'default'].flatMap((device): readonly Step[] => {
    const value = forwards(device)
    return value === null || value === all.value ? [] : [{ key: ipv6Key(device, 'forwarding'), value }]
  })
  return {
    before: accepting.map((key) => ({ key, value: '2' })),
    after: [...changed, ...accepting.map((key) => ({ key, value: on }))],
  }
}

/** Nothing is needed any more: what is put back at a stop and by `balancer release`. */
export const noDemand: HostDemand = {
  forwarding: { ipv4: [], ipv6: [] },
  accounting: false,
  timestamps: false,
  events: false,
}
