// What on this host and its network keeps the direct datapath from working: nft, features of the kernel, rules of others, servers that
// are not on the segment or do not answer. For the start and for `balancer check`. Nothing is changed.

import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { ListenerConfig } from '../../config/schema.ts'
import type { HostView } from '../core/host-view.ts'
import { missingFeatures, readChains } from '../rules/host-check.ts'
import { features } from './core/features.ts'
import { tableName } from './core/names.ts'
import { type PathFinding, pathFindings } from './core/path-findings.ts'
import { probeText } from './core/path-probe.ts'
import { probeServers } from './path-probe.ts'
import { type Segment, watchSegment } from './segment.ts'

/** Lines about nft and the kernel without which no rules can be applied; none where all is well. */
export const missingForDirect = (): Promise<readonly string[]> => missingFeatures(features)

/** Rules of others that drop frames of clients on these interfaces, or one line that says why they cannot be read. */
export const foreignRules = async (
  listeners: readonly ListenerConfig[],
  devices: readonly string[],
): Promise<readonly PathFinding[]> => {
  const chains = await readChains()
  if (!chains.ok) return [{ isSure: false, text: chains.text }]
  return pathFindings(
    listeners.flatMap(({ bind }) => bind),
    devices,
    chains.value,
    tableName,
  )
}

/** What to do where a server is on no segment of this host. */
export const elsewhere = 'put balancers and servers on one network segment, or write datapath: kernel'
/** A neighbour that is there answers within milliseconds; a kernel asks three times, once a second. */
const [lookEvery, patience] = [100, 3000]

/** A line for each server that frames do not reach, or that does not answer for its binds, and for each rule of others in the way. */
export const segmentFindings = async (
  listeners: readonly ListenerConfig[],
  places: HostView['places'],
  log: Logger,
): Promise<readonly string[]> => {
  const segment = await watchSegment({
    ...{ listeners: () => listeners, places: () => places, balancers: () => [], onChange: () => {}, log },
  })
  try {
    for (const until = performance.now() + patience; performance.now() < until && segment.problems().some(mayHelp); ) {
      await wait(lookEvery)
    }
    const problems = segment.problems()
    const lost = problems.map(({ server, text, isElsewhere }) => {
      const name = namesOf(listeners, server).join(', ')
      return `server ${name} (${server}): ${text}${isElsewhere ? `; ${elsewhere}` : ''}`
    })
    const { devices } = segment.host()
    const foreign = await foreignRules(
      listeners,
      devices.map(({ name }) => name),
    )
    return [
      ...lost,
      ...foreign.map(({ text, isSure }) => `${text}${isSure ? '' : ' (unless another rule lets them pass)'}`),
      ...(await unanswered(listeners, segment)),
    ]
  } finally {
    segment.close()
  }
}

const mayHelp = ({ isElsewhere }: { readonly isElsewhere: boolean }): boolean => !isElsewhere

const namesOf = (listeners: readonly ListenerConfig[], address: string): readonly string[] =>
  listeners.flatMap(({ name, servers }) =>
    servers.filter((server) => server.address.address === address).map((server) => `${name}/${server.name}`),
  )

const unanswered = async (
  listeners: readonly ListenerConfig[],
  segment: Pick<Segment, 'endsOf'>,
): Promise<readonly string[]> => {
  const targets = listeners.flatMap(({ name, servers, bind }) =>
    servers.flatMap((server) => {
      const ends = segment.endsOf(server.address.address)
      return ends === null ? [] : bind.map((one) => ({ name: `${name}/${server.name}`, bind: one, ends }))
    }),
  )
  const results = await probeServers(targets)
  if (!results.ok) return [`the ways to servers cannot be tried: ${results.text}`]
  return targets.flatMap(({ name, bind }, i) => {
    const text = probeText(results.value[i] ?? 'silent', bind)
    return text === null ? [] : [`server ${name} ${text}`]
  })
}
