// Whether a server is prepared for a listener with `datapath: direct`: it has to answer clients itself, from the listener's own
// address, and its agent tells whether it can.

import type { HealthReport } from '../../../shared/health-report.ts'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'

/**
 * Why a server cannot have sessions of these binds, and what to do about it. `hard`: its agent knows of nothing that should be
 * prepared, and no other answer is to be expected soon. What is only missing may be repaired by the next check, and a busy agent
 * or balancer may have been too late for a report.
 */
export type Unprepared = { readonly text: string; readonly hard: boolean }

/** Of what an agent has in place of what it should have. */
const mostNamed = 3

const says = 'not prepared for direct return'

/**
 * Null where the report has each bind ready. Without a report nothing is known, and that is not enough; neither is it certain: an
 * agent answers who is slow to ask, such as a busy balancer, in plain text.
 */
export const unpreparedFor = (binds: readonly Endpoint[], told: HealthReport | undefined): Unprepared | null => {
  if (binds.length === 0) return null
  if (told === undefined) {
    return {
      text: `${says}, as far as is known: the answer is no report of mysqlchk-agent; ask the agent, with GET`,
      hard: false,
    }
  }
  const { direct_return: entries } = told
  if (entries === undefined) {
    const what =
      'write direct_return into the agent.yaml there and reload the agent; one that does not know the key is too old'
    return { text: `${says}: the agent there tells nothing of it: ${what}`, hard: true }
  }
  const found = binds.map((bind) => ({
    bind: endpointText(bind),
    entry: entries.find(({ address, port }) => address === bind.address && port === bind.port),
  }))
  const unwritten = found.filter(({ entry }) => entry === undefined).map(({ bind }) => bind)
  if (unwritten.length > 0) {
    const has = entries.slice(0, mostNamed).map(endpointText).join(', ') || 'nothing'
    const what = `write ${unwritten.join(' and ')} into direct_return of the agent.yaml there, which has ${has}`
    return { text: `${says}: ${what}`, hard: true }
  }
  const lacking = found.filter(({ entry }) => entry?.ready !== true)
  if (lacking.length === 0) return null
  const missing = lacking.map(({ bind, entry }) => `${bind}: ${entry?.missing.join('; ') || 'not ready'}`)
  return { text: `${says}: ${missing.join('. ')}; ask there: mysqlchk-agent direct-return status`, hard: false }
}

/** What an agent tells of these binds; null where it tells nothing. Connections are those of the server, whichever way they came. */
export const returnedIn = (
  binds: readonly Endpoint[],
  told: HealthReport | undefined,
): { readonly bytesOut: number | null; readonly connections: number | null } | null => {
  const entries = (told?.direct_return ?? []).filter(({ address, port }) =>
    binds.some((bind) => bind.address === address && bind.port === port),
  )
  const [first] = entries
  if (first === undefined) return null
  const bytes = entries.flatMap(({ bytes_out: out }) => out ?? [])
  return {
    bytesOut: bytes.length === 0 ? null : bytes.reduce((sum, one) => sum + one, 0),
    connections: first.connections,
  }
}

/** The addresses for which a server answers clients itself, whoever asks. */
export const answeredIn = ({ direct_return: entries = [] }: Pick<HealthReport, 'direct_return'>): readonly string[] => [
  ...new Set(entries.flatMap(({ address, ready }) => (ready ? [address] : []))),
]
