// What VRRP tracks: interfaces, scripts, files and processes, with their keys.

import * as z from 'zod'
import { command, userName, webhooksSchema } from './notify-schema.ts'
import { path, withShort } from './shapes.ts'
import { duration, integer, interfaceName, name } from './values.ts'

/** What a failure takes off the priority, or a success adds to it; 0 means FAULT. The bounds are keepalived's. */
const weight = integer(-253, 253)
const maximumTracked = 100

/** A name, or an object with the name under `key` and a weight of its own. */
const reference = <K extends string>(key: K) =>
  withShort(
    z.preprocess(
      (value) => (typeof value === 'string' ? { [key]: value } : value),
      z.strictObject({ [key]: name, weight: weight.optional() } as { [P in K]: typeof name } & {
        weight: z.ZodOptional<typeof weight>
      }),
    ),
    name,
  )

const interfaceReference = withShort(
  z.preprocess(
    (value) => (typeof value === 'string' ? { interface: value } : value),
    z.strictObject({ interface: interfaceName, weight: weight.default(0) }),
  ),
  interfaceName,
)

/** `true` is FAULT when the thing fails, a weight takes that much instead, `false` does not look. */
export const counting = z
  .union([z.boolean(), z.strictObject({ weight })], { error: 'write true, false or { weight: -50 }' })
  .transform((value) => (value === false ? null : { weight: value === true ? 0 : value.weight }))

/** The key `track` of an instance. */
export const trackSchema = z.strictObject({
  serving: counting.prefault(true),
  interfaces: z.array(interfaceReference).max(maximumTracked).default([]),
  scripts: z.array(reference('script')).max(maximumTracked).default([]),
  files: z.array(reference('file')).max(maximumTracked).default([]),
  processes: z.array(reference('process')).max(maximumTracked).default([]),
})

/** keepalived: `vrrp_script`. */
export const scriptSchema = z.strictObject({
  name,
  command,
  interval: duration('100ms', '1h').prefault('1s'),
  timeout: duration('10ms', '1h').optional(),
  rise: integer(1, 100).default(1),
  fall: integer(1, 100).default(1),
  weight: weight.default(0),
  user: userName.optional(),
  init_fail: z.boolean().default(false),
})

/** keepalived: `track_file`. */
export const trackFileSchema = z.strictObject({ name, path, weight: weight.default(1) })

/** keepalived: `track_process`. */
export const trackProcessSchema = z.strictObject({
  name,
  process: z.string().min(1).max(1024),
  quorum: integer(1, 10_000).default(1),
  delay: duration('0s', '1h').prefault('0s'),
  weight: weight.default(0),
})

/** The keys of `vrrp` that all instances share. */
export const sharedTrackKeys = {
  scripts: z.array(scriptSchema).max(maximumTracked).default([]),
  track_files: z.array(trackFileSchema).max(maximumTracked).default([]),
  track_processes: z.array(trackProcessSchema).max(maximumTracked).default([]),
  webhooks: webhooksSchema,
  script_user: userName.optional(),
}

export type ScriptConfig = z.output<typeof scriptSchema>
export type TrackFileConfig = z.output<typeof trackFileSchema>
export type TrackProcessConfig = z.output<typeof trackProcessSchema>
