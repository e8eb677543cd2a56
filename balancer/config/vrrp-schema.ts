// The vrrp part of balancer.yaml: virtual routers and their addresses, every key with its type, range and default.

import { z } from 'zod'
import { addressWithPrefix, duration, integer, name } from './values.ts'

const virtualAddress = z
  .unknown()
  .transform((value) => (typeof value === 'object' && value !== null ? value : { address: value }))
  .pipe(
    z.strictObject({
      address: addressWithPrefix,
      dev: z.string().min(1).max(15).optional(),
      label: z.string().min(1).max(15).optional(),
    }),
  )

const vrrpInstance = z.strictObject({
  name,
  interface: z.string().min(1).max(15),
  virtual_router_id: integer(1, 255),
  version: z.union([z.literal(2), z.literal(3)], { error: 'allowed are 2 and 3' }).default(2),
  priority: integer(1, 255).default(100),
  advertisement_interval: duration('10ms', '255s').prefault('1s'),
  preempt: z.boolean().default(true),
  virtual_addresses: z.array(virtualAddress).min(1, { error: 'name at least one address' }).max(20),
})

/** The key `vrrp`. */
export const vrrpSchema = z.strictObject({ instances: z.array(vrrpInstance).max(255) }).prefault({ instances: [] })

/** One virtual router as configured. Durations are `Millis`. */
export type VrrpInstanceConfig = z.output<typeof vrrpSchema>['instances'][number]
