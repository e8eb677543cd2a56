// What a balancer that runs knows of the other ones, as `balancer check` tells it: only who is connected can compare.

import * as z from 'zod'
import type { BalancerConfig } from '../config/schema.ts'
import { checkLimit, hearRunning } from './runtime.ts'

const answer = z.object({
  trouble: z.string().nullable(),
  peers: z.array(
    z.object({
      address: z.string(),
      name: z.string().nullable(),
      why: z.string().nullable(),
      warnings: z.array(z.string()),
    }),
  ),
})

/** Who is not connected and why, and what is configured otherwise there; nothing where no balancer runs with `file`. */
export const peersWarnings = async ({ peers }: BalancerConfig, file: string): Promise<readonly string[]> => {
  if (peers === undefined) return []
  const heard = await hearRunning(file, ['show', 'peers', '--json'], checkLimit)
  return heard.ok ? warningsIn(heard.text) : []
}

const warningsIn = (text: string): readonly string[] => {
  try {
    const { trouble, peers } = answer.parse(JSON.parse(text))
    return [
      ...(trouble === null ? [] : [`peers: ${trouble}`]),
      ...peers.flatMap(({ address, name, why, warnings }) => {
        const who = `peer ${name ?? address}`
        return [
          ...(why === null ? [] : [`${who} is not connected: ${why}`]),
          ...warnings.map((one) => `${who}: ${one}`),
        ]
      }),
    ]
  } catch {
    // A balancer of another version, or one without a listener that has datapath: direct.
    return []
  }
}
