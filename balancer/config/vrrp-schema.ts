// The vrrp part of balancer.yaml: virtual routers and their addresses, every key with its type, range and default.

import * as z from 'zod'
import { routerNotifySchema } from './notify-schema.ts'
import { path, withShort } from './shapes.ts'
import { addressLabel, duration, hostAddress, integer, interfaceName, ipAddress, name, network } from './values.ts'
import { counting, sharedTrackKeys, trackSchema } from './vrrp-track-schema.ts'

const maximumAddresses = 20
const maximumMembers = 255

/** What VRRP carries as a password: 1 to 8 printable characters. */
export const vrrpPassword = /^[!-~]{1,8}$/
/** What is wrong with any other. */
export const vrrpPasswordRule = 'write 1 to 8 printable characters without spaces; VRRP carries no more'

const virtualAddress = withShort(
  z.preprocess(
    (value) => (typeof value === 'object' && value !== null ? value : { address: value }),
    z.strictObject({ address: hostAddress, dev: interfaceName.optional(), label: addressLabel.optional() }),
  ),
  hostAddress,
)

const virtualRoute = z.strictObject({
  to: network,
  via: ipAddress.optional(),
  dev: interfaceName.optional(),
  metric: integer(1, 4_294_967_295).optional(),
  track: counting.prefault(false),
})

const unicast = z.strictObject({
  source: ipAddress,
  peers: z.array(ipAddress).min(1, { error: 'name at least one peer' }).max(maximumMembers),
  min_ttl: integer(1, 255).default(255),
})

const authentication = z.strictObject({
  type: z.literal('pass', { error: 'only pass is known; AH of RFC 2338 was withdrawn' }),
  password: z.string().regex(vrrpPassword, { error: vrrpPasswordRule }).optional(),
  password_file: path.optional(),
})

/** What the other router is configured with: only `balancer check` uses it. */
const peer = z.strictObject({ priority: integer(1, 255), preempt: z.boolean().default(true) })

const vrrpInstance = z.strictObject({
  name,
  interface: interfaceName,
  virtual_router_id: integer(1, 255),
  version: z.union([z.literal(2), z.literal(3)], { error: 'allowed are 2 and 3' }).default(2),
  priority: integer(1, 255).default(100),
  advertisement_interval: duration('10ms', '255s').prefault('1s'),
  preempt: z.boolean().default(true),
  preempt_delay: duration('0s', '1000s').prefault('0s'),
  virtual_addresses: z
    .array(virtualAddress)
    .min(1, { error: 'name at least one address' })
    .max(maximumAddresses, { error: `at most ${maximumAddresses}; put more into virtual_addresses_excluded` }),
  virtual_addresses_excluded: z.array(virtualAddress).max(1000).default([]),
  virtual_routes: z.array(virtualRoute).max(1000).default([]),
  virtual_mac: z.boolean().default(false),
  unicast: unicast.optional(),
  authentication: authentication.optional(),
  checksum_with_ipv4_pseudoheader: z.boolean().default(true),
  garp_master_repeat: integer(1, 60).default(5),
  garp_master_delay: duration('0s', '1h').prefault('5s'),
  garp_master_refresh: duration('0s', '1d').prefault('0s'),
  garp_master_refresh_repeat: integer(1, 60).default(1),
  track: trackSchema.prefault({}),
  notify: routerNotifySchema.optional(),
  peer: peer.optional(),
})

const syncGroup = z.strictObject({
  name,
  instances: z.array(name).min(2, { error: 'a group has at least two instances' }).max(maximumMembers),
  notify: routerNotifySchema.optional(),
})

/** The key `vrrp`. */
export const vrrpSchema = z
  .strictObject({
    instances: z.array(vrrpInstance).max(maximumMembers).default([]),
    sync_groups: z.array(syncGroup).max(maximumMembers).default([]),
    ...sharedTrackKeys,
  })
  .prefault({})

/** All virtual routers of one host as configured. Durations are `Millis`. */
export type VrrpConfig = z.output<typeof vrrpSchema>

/** One virtual router. */
export type VrrpInstanceConfig = VrrpConfig['instances'][number]
