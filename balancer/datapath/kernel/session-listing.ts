// The sessions of the kernel datapath one by one, as connection tracking has them.

import { endpointText } from '../../core/endpoint.ts'
import { addressText } from '../../core/ip-address.ts'
import { collectSessions, type SessionList } from '../../pool/core/session-list.ts'
import type { RunningListeners } from './listeners.ts'
import type { SessionTracker } from './session-tracker.ts'

/** All of them; see `RunningDatapath`. */
export const listTracked = async (
  tracker: Pick<SessionTracker, 'visit'>,
  { namesOf }: Pick<RunningListeners, 'namesOf'>,
): Promise<SessionList> => {
  const { add, list } = collectSessions()
  const visited = await tracker.visit(({ mark, tcpState, startedAt, bytes }, flow) => {
    // Of a listener that is just going.
    const names = namesOf(mark)
    if (names === undefined) return
    add(() => ({
      ...names,
      client: { address: addressText(flow.source), port: flow.sourcePort },
      bind: endpointText({ address: addressText(flow.destination), port: flow.destinationPort }),
      acceptedAt: startedAt,
      isJoined: tcpState !== 'syn-sent' && tcpState !== 'syn-received',
      bytesIn: bytes?.original ?? null,
      bytesOut: bytes?.reply ?? null,
    }))
  })
  return list(visited.ok ? [] : [`those that the kernel forwards are not known just now: ${visited.text}`])
}
