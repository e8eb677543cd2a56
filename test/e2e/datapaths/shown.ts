// What `balancer show servers --json` tells, as far as the behaviours look at it.

import { z } from 'zod'

const count = z.number().nullable()

const server = z.object({
  name: z.string(),
  status: z.string(),
  since: z.object({ ago_ms: z.number() }).nullable(),
  found: z.object({ by: z.string() }).nullable(),
  weight: z.number(),
  sessions: count,
  total_sessions: count,
  bytes_in: count,
  bytes_out: count,
  connect_failures: count,
})

const listener = z.object({
  name: z.string(),
  datapath: z.string(),
  binds: z.array(z.object({ address: z.string(), open: z.boolean(), why: z.string().nullable() })),
  writer: z.string().nullable(),
  panicking: z.boolean(),
  sessions: count,
  total_sessions: count,
  queued: count,
  ends: z.record(z.string(), z.number()),
  servers: z.array(server),
})

export type ShownListener = z.output<typeof listener>
export type ShownServer = z.output<typeof server>

/** All listeners. */
export const parseShown = (text: string): readonly ShownListener[] => z.array(listener).parse(JSON.parse(text))
