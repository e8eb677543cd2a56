// Rules over several keys of the vrrp part of balancer.yaml. They read the raw input leniently, as all rules do.

import * as z from 'zod'
import { type Family, familyOf } from '../core/ip-address.ts'
import type { Finding } from './document.ts'
import { listOf, mapping, repeated, repeatedNames, text } from './lenient.ts'
import { fileFindings } from './secret-file.ts'
import { durationMillis, parseAddressWithPrefix } from './values.ts'
import { readVrrpPassword } from './vrrp-password.ts'

const number = z.number().optional().catch(undefined)
const flag = z.boolean().optional().catch(undefined)
const address = z.union([z.string(), mapping({ address: text })]).catch(undefined)

const instanceShape = {
  name: text,
  interface: text,
  virtual_router_id: number,
  version: number,
  priority: number,
  preempt: flag,
  preempt_delay: text,
  advertisement_interval: text,
  garp_master_refresh: text,
  virtual_addresses: listOf(address),
  virtual_routes: listOf(mapping({ to: text, via: text })),
  virtual_mac: flag,
  checksum_with_ipv4_pseudoheader: flag,
  unicast: mapping({ source: text, peers: listOf(text) }),
  authentication: mapping({ password: z.unknown().optional(), password_file: text }),
}

const lenient = mapping({
  vrrp: mapping({
    instances: listOf(mapping(instanceShape)),
    sync_groups: listOf(mapping({ name: text, instances: listOf(text) })),
  }),
})

/** The file that a configuration stands in. */
export type ConfigFile = { readonly path: string; readonly mode: number }

type Vrrp = NonNullable<NonNullable<z.output<typeof lenient>>['vrrp']>
type Instance = NonNullable<Vrrp['instances'][number]>
type Key = keyof typeof instanceShape
/** A finding about one key of an instance; the rest of the path is added later. */
type Fault = { readonly path: readonly [Key, ...PropertyKey[]]; readonly text: string; readonly isWarning?: boolean }

/** What contradicts itself in the virtual routers of a configuration; `file` is where it stands. */
export const vrrpFindings = (input: unknown, file: ConfigFile): readonly Finding[] => {
  const { instances = [], sync_groups: groups = [] } = lenient.parse(input)?.vrrp ?? {}
  return [
    ...repeatedNames(instances, 'vrrp', 'instances'),
    ...repeatedNames(groups, 'vrrp', 'sync_groups'),
    ...instances.flatMap((instance, i) =>
      instance === undefined
        ? []
        : faults(instance, file).map(({ path, text: said, isWarning = false }) => ({
            ...at(i, path, said),
            isWarning,
          })),
    ),
    ...sharedIdFindings(instances),
    ...groups.flatMap((group, i) => groupFindings(group, i, groups, instances)),
  ]
}

const at = (i: number, path: readonly PropertyKey[], said: string): Finding => ({
  path: ['vrrp', 'instances', i, ...path],
  text: said,
})

const faults = (instance: Instance, file: ConfigFile): readonly Fault[] => [
  ...intervalFaults(instance),
  ...familyFaults(instance),
  ...unicastFaults(instance),
  ...authenticationFaults(instance, file),
  ...preemptFaults(instance),
  ...interfaceFaults(instance),
  ...announcementFaults(instance),
]

const maximumIntervalOfVersion3 = 40_950

const intervalFaults = ({ advertisement_interval: given = '1s', version = 2 }: Instance): readonly Fault[] => {
  const interval = durationMillis(given)
  if (interval === undefined) return []
  const fault = (said: string): readonly Fault[] => [
    { path: ['advertisement_interval'], text: `found "${given}"; ${said}` },
  ]
  if (version === 2) {
    return interval % 1000 === 0 ? [] : fault('VRRP version 2 knows whole seconds only; write 1s, or set version: 3')
  }
  return interval % 10 === 0 && interval <= maximumIntervalOfVersion3
    ? []
    : fault('VRRP version 3 counts in steps of 10ms, up to 40950ms')
}

const addressOf = (given: Instance['virtual_addresses'][number]): string | undefined =>
  parseAddressWithPrefix(typeof given === 'string' ? given : given?.address)?.address

const familiesOf = (instance: Instance): readonly (Family | undefined)[] =>
  instance.virtual_addresses.map((given) => {
    const found = addressOf(given)
    return found === undefined ? undefined : familyOf(found)
  })

const familyFaults = (instance: Instance): readonly Fault[] => {
  const families = familiesOf(instance)
  const family = families.find((one) => one !== undefined)
  const found: Fault[] = families.flatMap((one, i): Fault[] =>
    one === undefined || one === family
      ? []
      : [
          {
            path: ['virtual_addresses', i],
            text: 'one instance advertises one family; put it into an instance of its own, or into virtual_addresses_excluded',
          },
        ],
  )
  if (family === 'ipv6' && (instance.version ?? 2) === 2) {
    found.push({ path: ['virtual_addresses'], text: 'IPv6 needs version: 3; VRRP version 2 carries IPv4 only' })
  }
  if (instance.checksum_with_ipv4_pseudoheader !== undefined && (family === 'ipv6' || (instance.version ?? 2) === 2)) {
    found.push({
      path: ['checksum_with_ipv4_pseudoheader'],
      text: 'only version 3 with IPv4 has this choice; remove it',
    })
  }
  return found
}

const unicastFaults = (instance: Instance): readonly Fault[] => {
  const { unicast, virtual_mac: virtualMac } = instance
  if (unicast === undefined) return []
  const family = familiesOf(instance).find((one) => one !== undefined)
  const said = `the virtual addresses are ${family === 'ipv6' ? 'IPv6' : 'IPv4'}; write an address of that family`
  const isForeign = (given: string | undefined): boolean => {
    const parsed = parseAddressWithPrefix(given)
    return parsed !== undefined && family !== undefined && familyOf(parsed.address) !== family
  }
  return [
    ...(isForeign(unicast.source) ? [{ path: ['unicast', 'source'], text: said } as const] : []),
    ...unicast.peers.flatMap((peer, i): Fault[] => {
      if (peer !== undefined && peer === unicast.source) {
        return [{ path: ['unicast', 'peers', i], text: 'this is the own source; name the other routers only' }]
      }
      return isForeign(peer) ? [{ path: ['unicast', 'peers', i], text: said }] : []
    }),
    ...(virtualMac === true
      ? [{ path: ['virtual_mac'], text: 'a virtual MAC works with multicast only; remove it or unicast' } as const]
      : []),
  ]
}

const othersMayRead = 0o004

const authenticationFaults = ({ authentication, version = 2 }: Instance, config: ConfigFile): readonly Fault[] => {
  if (authentication === undefined) return []
  if (version !== 2) {
    return [{ path: ['authentication'], text: 'VRRP version 3 has no authentication (RFC 9568 section 9); remove it' }]
  }
  const { password, password_file: file } = authentication
  if ((password === undefined) === (file === undefined)) {
    return [{ path: ['authentication'], text: 'write either password_file or password' }]
  }
  if (file === undefined) {
    const text = `everyone may read this file, and the password in it; run: chmod o= ${config.path}`
    return (config.mode & othersMayRead) === 0 ? [] : [{ path: ['authentication', 'password'], text, isWarning: true }]
  }
  if (!file.startsWith('/')) return []
  return fileFindings(readVrrpPassword(file), []).map((found) => ({
    ...found,
    path: ['authentication', 'password_file'],
  }))
}

const preemptFaults = ({ preempt, preempt_delay: delay, priority }: Instance): readonly Fault[] => {
  if (priority === 255 && preempt === false) {
    return [
      { path: ['preempt'], text: 'the address owner (priority 255) always preempts; remove it or lower the priority' },
    ]
  }
  if (delay === undefined || durationMillis(delay) === 0) return []
  if (preempt === false)
    return [{ path: ['preempt_delay'], text: 'without preempt nothing is delayed; remove one of the two' }]
  return priority === 255
    ? [
        {
          path: ['preempt_delay'],
          text: 'the address owner (priority 255) never waits; remove it or lower the priority',
        },
      ]
    : []
}

const interfaceFaults = ({ interface: name }: Instance): readonly Fault[] =>
  name === 'lo' ? [{ path: ['interface'], text: 'lo reaches no other router; write the interface of the network' }] : []

const shortestRefresh = 1000

const announcementFaults = ({ garp_master_refresh: given }: Instance): readonly Fault[] => {
  const refresh = durationMillis(given) ?? 0
  return refresh > 0 && refresh < shortestRefresh
    ? [
        {
          path: ['garp_master_refresh'],
          text: `found "${given}"; write 0s (not at all), or 1s and more: it floods the network`,
        },
      ]
    : []
}

const sharedIdFindings = (instances: Vrrp['instances']): readonly Finding[] =>
  repeated(
    instances.map((instance, i) => ({
      value:
        instance &&
        `${instance.interface} ${instance.virtual_router_id} ${familiesOf(instance).find(Boolean) ?? 'ipv4'}`,
      path: ['vrrp', 'instances', i, 'virtual_router_id'],
    })),
    () => 'another instance has the same virtual_router_id on the same interface; choose another number',
  )

const groupFindings = (
  group: Vrrp['sync_groups'][number],
  i: number,
  groups: Vrrp['sync_groups'],
  instances: Vrrp['instances'],
): readonly Finding[] => {
  const members = group?.instances ?? []
  const first = instances.find((instance) => instance?.name === members[0])
  return members.flatMap((member, j): Finding[] => {
    const path = ['vrrp', 'sync_groups', i, 'instances', j]
    const instance = instances.find((one) => one?.name === member)
    if (member === undefined) return []
    if (instance === undefined) return [{ path, text: `there is no instance ${member}` }]
    const isTaken = members.indexOf(member) < j || groups.slice(0, i).some((other) => other?.instances.includes(member))
    if (isTaken) return [{ path, text: `${member} is in a sync group already` }]
    const different = electionKeys.find((key) => first !== undefined && elected(instance, key) !== elected(first, key))
    if (first === undefined || different === undefined) return []
    const values = `${electionText(instance, different)}, ${electionText(first, different)}`
    const said = `${member} and ${members[0]} have a different ${different} (${values})`
    return [{ path, text: `${said}; a group wins or loses together: write the same` }]
  })
}

const electionKeys = ['priority', 'preempt', 'preempt_delay'] as const satisfies readonly Key[]
type ElectionKey = (typeof electionKeys)[number]
const electionDefaults = { priority: 100, preempt: true, preempt_delay: '0s' } as const

const electionText = (instance: Instance, key: ElectionKey): string => `${instance[key] ?? electionDefaults[key]}`

/** What an instance has under a key, in the one form that can be compared: 60s is 1m, and what is not written its default. */
const elected = (instance: Instance, key: ElectionKey): unknown =>
  key === 'preempt_delay' ? durationMillis(electionText(instance, key)) : electionText(instance, key)
