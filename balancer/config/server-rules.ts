// Rules over the servers of a listener and over the keys that only matter to some of them.

import { endpointText } from '../core/ip-address.ts'
import { repeated } from './lenient.ts'
import type { LenientListener, ListenerFault } from './listener-rules.ts'
import { durationMillis, parseEndpoint } from './values.ts'

/** What leaves a listener without servers, and what is written for nothing. */
export const serverFindings = (listener: LenientListener): readonly ListenerFault[] => [
  ...weightFaults(listener),
  ...twinFaults(listener),
  ...backupFaults(listener),
  ...panicFaults(listener),
]

/** How these choose, no weight matters but 0, which takes a server out. */
const weightless = ['single', 'first']

const weightFaults = ({
  servers,
  balance = 'roundrobin',
  slow_start: slowStart,
}: LenientListener): readonly ListenerFault[] => {
  if (servers.length > 0 && servers.every((server) => server?.weight === 0)) {
    const text =
      'the weights of all servers are 0, so that none takes a session; give one server at least a weight above it'
    return [{ path: ['servers'], text }]
  }
  if (!weightless.includes(balance)) return []
  const weighted = servers.findIndex((server) => (server?.weight ?? 1) > 1)
  const said = `without effect with balance: ${balance}, which goes by the order of the servers; remove it`
  return [
    ...(weighted < 0
      ? []
      : [{ path: ['servers', weighted, 'weight'], text: `a weight is ${said}`, isWarning: true } as const]),
    ...((durationMillis(slowStart) ?? 0) > 0
      ? [{ path: ['slow_start'], text: `slow_start is ${said}`, isWarning: true } as const]
      : []),
  ]
}

const twinFaults = ({ servers }: LenientListener): readonly ListenerFault[] =>
  repeated(
    servers.map((server, i) => {
      const endpoint = parseEndpoint(server?.address)
      return { value: endpoint && endpointText(endpoint), path: [i] }
    }),
    (found) => `${found} is a server of this listener already: one server counts and is checked as two`,
  ).map(({ path, text }) => ({ path: ['servers', ...path, 'address'], text, isWarning: true }))

const backupFaults = (listener: LenientListener): readonly ListenerFault[] => {
  const { servers, balance, all_backups: all = false, on_marked_up: markedUp } = listener
  const backups = servers.filter((server) => server?.backup === true).length
  const none =
    'no server of this listener is a backup, so that this does nothing; remove it, or set backup: true on one'
  const found: ListenerFault[] = []
  if (backups === 0 && all) found.push({ path: ['all_backups'], text: none, isWarning: true })
  if (backups === 0 && markedUp === 'shutdown_backup_sessions') {
    found.push({ path: ['on_marked_up'], text: none, isWarning: true })
  }
  if (backups > 1 && backups === servers.length && !all && balance !== 'single') {
    const text =
      'all servers are backups: only the first that is up takes sessions; take backup: true from those that shall share'
    found.push({ path: ['servers'], text, isWarning: true })
  }
  return found
}

const panicFaults = ({ servers, panic_threshold: threshold = 0 }: LenientListener): readonly ListenerFault[] =>
  threshold > 0 && servers.length > 0 && threshold >= servers.length
    ? [
        {
          path: ['panic_threshold'],
          text: `found ${threshold}, of ${servers.length} server(s): as soon as one fails its checks it is used like the others; write a smaller number`,
          isWarning: true,
        },
      ]
    : []
