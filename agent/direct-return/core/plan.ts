// From what a configuration wants, what is there and what was put in place before: the steps that are left, in order.

import { addressesOf, type Entry, isIpv6 } from './entry.ts'
import type { Memory, Setting } from './memory.ts'
import { devicesTo, type Route } from './routes.ts'
import { deleteText, type FoundTable, linesFor, tableText } from './rules.ts'

/** This host as it is. `settings` are those of ARP by `eth0/arp_ignore`, of every interface and of `all`. */
export type Found = {
  readonly loopback: readonly string[]
  readonly settings: ReadonlyMap<string, string>
  readonly routes: readonly Route[]
  readonly table: FoundTable
}

/** One change of this host. `text` says what it is for, to the operator. */
export type Step = { readonly text: string } & (
  | { readonly step: 'set'; readonly device: string; readonly key: Setting['key']; readonly value: string }
  | { readonly step: 'rules'; readonly commands: string }
  | { readonly step: 'add' | 'remove'; readonly address: string }
)

/** Another configuration of this host, with what it needs and has put in place. */
export type Other = { readonly name: string; readonly memory: Memory }

/**
 * `memory` is to be written before the first step, `after` behind the last one. What another configuration still needs is not
 * undone but becomes its own: `others` are those whose memory is another one now, to be written first of all.
 */
export type Change = {
  readonly steps: readonly Step[]
  readonly memory: Memory
  readonly after: Memory
  readonly others: readonly Other[]
}

/** Silent about what is not on the interface itself (ip-sysctl: arp_ignore); 4 to 7 are as 0. An address of scope host is not told with 3. */
const silentIgnore: readonly number[] = [1, 2, 3, 8]
const ownAddress = 2

/** What is to be done. With no entries everything is undone. */
export const planChange = (
  entries: readonly Entry[],
  found: Found,
  memory: Memory,
  others: readonly Other[],
  table: string,
): Change => {
  const needs = { addresses: addressesOf(entries), devices: devicesFor(entries, found, memory) }

  const lacking = needs.addresses.filter((address) => !found.loopback.includes(address))
  const isGiven = (address: string): boolean => !needs.addresses.includes(address)
  const takenOver = memory.addresses.filter((one) => isGiven(one) && others.some((other) => needsAddress(other, one)))
  const given = memory.addresses.filter((one) => isGiven(one) && !takenOver.includes(one))
  const keptAddresses = memory.addresses.filter((one) => !isGiven(one))

  const silencing = needs.devices.flatMap((device) => silencingOf(device, found))
  const isKept = ({ device }: Setting): boolean => needs.devices.includes(device)
  const leaving = memory.settings.filter((one) => !isKept(one))
  const passedOn = leaving.filter((one) => others.some((other) => other.memory.needs.devices.includes(one.device)))
  // A setting that somebody has changed since is theirs.
  const restored = leaving.filter(
    (one) => !passedOn.includes(one) && found.settings.get(`${one.device}/${one.key}`) === one.ours,
  )
  const isSetAnew = (one: Setting): boolean =>
    silencing.some(({ device, key }) => device === one.device && key === one.key)
  const keptSettings = [...memory.settings.filter((one) => isKept(one) && !isSetAnew(one)), ...silencing]

  const addresses = [...new Set([...keptAddresses, ...lacking])]
  const after = { needs, addresses, settings: keptSettings }
  return {
    steps: [
      // Whoever is about to lose the address loses it first; who gets it has to be prepared before.
      ...given.filter((one) => found.loopback.includes(one)).map(removal),
      ...silencing.map(
        ({ device, key, ours }): Step => ({
          ...{ step: 'set', device, key, value: ours },
          text: `${key} of ${device} is ${ours}: it is silent about addresses that are not its own`,
        }),
      ),
      ...ruleSteps(entries, found, table),
      ...restored.map(
        ({ device, key, before }): Step => ({
          ...{ step: 'set', device, key, value: before },
          text: `${key} of ${device} is ${before} again`,
        }),
      ),
      ...lacking.map((address): Step => ({ step: 'add', address, text: `${address} is on lo` })),
    ],
    memory: { needs, addresses: [...addresses, ...given], settings: [...keptSettings, ...restored] },
    after,
    others: others.flatMap((other) => inherit(other, takenOver, passedOn)),
  }
}

const removal = (address: string): Step => ({ step: 'remove', address, text: `${address} is not on lo any more` })

const needsAddress = ({ memory }: Other, address: string): boolean => memory.needs.addresses.includes(address)

/** Once silent, an interface stays so: a route that is away for a moment must not have it answer. */
const devicesFor = (entries: readonly Entry[], { settings, routes }: Found, memory: Memory): readonly string[] => {
  const addresses = addressesOf(entries).filter((address) => !isIpv6(address))
  if (addresses.length === 0) return []
  const all = devicesIn(settings)
  const reached = addresses.flatMap((address) => devicesTo(address, routes, all))
  return [...new Set([...memory.needs.devices, ...reached])].filter((device) => all.includes(device)).toSorted()
}

const devicesIn = (settings: Found['settings']): readonly string[] => [
  ...new Set([...settings.keys()].map((key) => key.replace(/\/.*/, '')).filter((device) => device !== 'all')),
]

/** What counts for an interface: the larger one of its own value and that of all. */
export const effective = (settings: Found['settings'], device: string, key: Setting['key']): number =>
  Math.max(...['all', device].map((one) => Number(settings.get(`${one}/${key}`) ?? 0)))

/** Whether ARP of an interface is silent about addresses on lo, and does not announce them. */
export const isSilent = (settings: Found['settings'], device: string, key: Setting['key']): boolean =>
  key === 'arp_ignore'
    ? silentIgnore.includes(effective(settings, device, key))
    : effective(settings, device, key) >= ownAddress

const silencingOf = (device: string, { settings }: Found): readonly Setting[] =>
  ([['arp_ignore', '1'] as const, ['arp_announce', `${ownAddress}`] as const] as const).flatMap(([key, ours]) => {
    const before = settings.get(`${device}/${key}`)
    // Where `all` stands in the way, writing it again and again would not help.
    const helps = before !== undefined && before !== ours
    return isSilent(settings, device, key) || !helps ? [] : [{ device, key, before, ours }]
  })

const ruleSteps = (entries: readonly Entry[], { table: there }: Found, table: string): readonly Step[] => {
  if (there.is === 'foreign' || there.is === 'unknown') return []
  if (entries.length === 0) {
    return there.is === 'none'
      ? []
      : [{ step: 'rules', commands: deleteText(table), text: `the table inet ${table} is gone` }]
  }
  const isSame = there.is === 'ours' && `${there.lines}` === `${linesFor(entries)}`
  const counted = there.is === 'ours' ? there.counted : new Map()
  return isSame
    ? []
    : [
        {
          step: 'rules',
          commands: tableText(table, entries, counted),
          text: `the rules are in the table inet ${table}`,
        },
      ]
}

const inherit = (other: Other, addresses: readonly string[], settings: readonly Setting[]): readonly Other[] => {
  const { memory } = other
  const mine = addresses.filter((one) => needsAddress(other, one) && !memory.addresses.includes(one))
  const own = settings.filter(
    (one) =>
      memory.needs.devices.includes(one.device) &&
      !memory.settings.some(({ device, key }) => device === one.device && key === one.key),
  )
  if (mine.length === 0 && own.length === 0) return []
  return [
    {
      ...other,
      memory: { ...memory, addresses: [...memory.addresses, ...mine], settings: [...memory.settings, ...own] },
    },
  ]
}
