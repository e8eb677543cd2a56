// What `balancer check` says of servers that are prepared for the direct datapath, where the file has another one: a balancer that
// runs knows them.

import * as z from 'zod'
import type { BalancerConfig } from '../config/schema.ts'
import { endpointText } from '../core/endpoint.ts'
import { ownAnswersToCome } from '../pool/core/own-answers.ts'
import { checkLimit, hearRunning } from './runtime.ts'

const answer = z.array(
  z.object({
    name: z.string(),
    datapath: z.string(),
    binds: z.array(z.object({ address: z.string() })),
    servers: z.array(z.object({ name: z.string(), address: z.string(), up: z.boolean() })),
    findings: z.array(z.object({ server: z.string().nullable(), text: z.string() })),
  }),
)

/** Those who answer clients themselves, before a reload and after it; nothing where no balancer runs with `file`. */
export const ownAnswersWarnings = async ({ listeners }: BalancerConfig, file: string): Promise<readonly string[]> => {
  if (!listeners.some(({ datapath }) => datapath === 'kernel')) return []
  const heard = await hearRunning(file, ['show', 'servers', '--json'], checkLimit)
  const running = heard.ok ? parsedOf(heard.text) : []
  return listeners.flatMap(({ name, datapath, bind, servers }) => {
    const addresses = servers.map(({ address }) => endpointText(address))
    const toCome = ownAnswersToCome({ name, datapath, bind, servers: addresses }, running)
    const now = running.filter((one) => one.name === name && one.datapath === datapath && datapath === 'kernel')
    const findings = now.flatMap((one) => one.findings)
    return [
      ...(toCome === null ? [] : [toCome]),
      ...findings.flatMap(({ server, text }) => (server === null ? [] : [`${name}/${server} ${text}`])),
    ]
  })
}

const parsedOf = (text: string): z.output<typeof answer> => {
  try {
    return answer.parse(JSON.parse(text))
  } catch {
    // A balancer of another version.
    return []
  }
}
