// What was put in place on this host, written down before it was: so that it can be taken away, whatever happened since.

import * as z from 'zod'

const setting = z.object({
  device: z.string().regex(/^[^/\s]{1,15}$/),
  key: z.enum(['arp_ignore', 'arp_announce']),
  /** What it was, and what we wrote. */
  before: z.string().regex(/^\d{1,3}$/),
  ours: z.string().regex(/^\d{1,3}$/),
})
const address = z.string().regex(/^[0-9a-f.:]{2,45}$/)

const memorySchema = z.object({
  version: z.literal(1),
  /** The network namespace it belongs to: of another one nothing is known here. */
  network: z.string(),
  needs: z.object({ addresses: z.array(address).readonly(), devices: z.array(z.string()).readonly() }),
  addresses: z.array(address).readonly(),
  settings: z.array(setting).readonly(),
})

export type Setting = z.output<typeof setting>

/**
 * `needs` is what this configuration wants, whoever put it there; `addresses` on lo and `settings` are what we did ourselves,
 * and what is undone.
 */
export type Memory = Omit<z.output<typeof memorySchema>, 'version' | 'network'>

export const emptyMemory: Memory = { needs: { addresses: [], devices: [] }, addresses: [], settings: [] }

/** Nothing of ours is there: the file has no use. */
export const isEmpty = ({ needs, addresses, settings }: Memory): boolean =>
  [needs.addresses, needs.devices, addresses, settings].every((list) => list.length === 0)

/** The memory that a file holds; empty where it is none, or that of another network namespace. Never throws. */
export const parseMemory = (text: string, network: string): Memory => {
  try {
    const { data } = memorySchema.safeParse(JSON.parse(text))
    if (data?.network !== network) return emptyMemory
    return { needs: data.needs, addresses: data.addresses, settings: data.settings }
  } catch {
    return emptyMemory
  }
}

export const memoryText = (memory: Memory, network: string): string =>
  `${JSON.stringify({ version: 1, network, ...memory }, null, 2)}\n`
