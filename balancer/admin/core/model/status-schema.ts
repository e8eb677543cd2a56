// The shape of the status document: what `/status/json` and `balancer show status --json` say, each member with its
// words. `npm run schema` publishes it; its version grows when a member goes away or means something else.

import * as z from 'zod'
import { datapaths } from '../../../core/forwarders.ts'
import { routerStatus } from './router-schema.ts'
import { serverStatus } from './server-schema.ts'
import { count, counts, type Frozen, milliseconds, moment, orNull } from './words.ts'

/** A member that goes away, or that changes its meaning, makes the next one. Members are added without that. */
export const schemaVersion = 1

const unknown = 'when it is not known: before the first report, or because the datapath cannot tell'

const bind = z
  .object({
    address: z.string().describe('Address and port'),
    open: z.boolean().describe('A client that reaches it is forwarded'),
    why: orNull(z.string(), 'Why it is not open', 'when it is open'),
  })
  .describe('An address that the listener has')

const finding = z
  .object({
    server: orNull(z.string(), 'The server that it is about', 'when it is about the listener'),
    text: z.string().describe('What was found, in words'),
  })
  .describe('Something that the datapath found wrong')

const listenerStatus = z
  .object({
    name: z.string().describe('Its name in the configuration'),
    datapath: z.enum(datapaths).describe('What forwards its sessions'),
    binds: z.array(bind).describe('Its addresses; empty until the forwarder has told of them'),
    balance: z.string().describe('How a server is chosen'),
    writer: orNull(z.string(), 'The one server that takes sessions', 'unless balance is single and there is one'),
    panicking: z.boolean().describe('So few servers pass their checks that all are used'),
    servers_up: count.describe('Servers whose checks pass'),
    sessions: orNull(count, 'Sessions now, those of earlier programs among them', unknown),
    maximum_sessions: orNull(count, 'The most sessions at once since the forwarder began', unknown),
    session_limit: count.describe('The most sessions that it takes at once'),
    session_rate_limit: count.describe('The most new sessions a second that it takes; 0 is no limit'),
    total_sessions: orNull(count, 'Sessions in all', unknown),
    session_rate: orNull(z.number(), 'New sessions a second', unknown),
    maximum_session_rate: orNull(z.number(), 'The most new sessions a second', unknown),
    last_session: orNull(moment, 'When the last session came', 'when none has come, or that is not known'),
    queued: orNull(count, 'Clients that wait for a server', 'when the datapath has no queue'),
    maximum_queued: orNull(count, 'The most clients that waited at once', 'when the datapath has no queue'),
    denied: orNull(count, 'Clients turned away by access lists and rates', unknown),
    exceptions: orNull(
      count,
      'Sessions that the own slots would send to another server (datapath: direct)',
      'in the other datapaths, and before the first look',
    ),
    not_counted: z
      .array(z.string())
      .describe('Members that are null for ever, because the number does not exist in this datapath'),
    findings: z.array(finding).describe('What the datapath found wrong when it tested itself'),
    ends: counts.describe('How clients ended, by reason; closed is the good one'),
    servers: z.array(serverStatus).describe('Its servers, in the order of the configuration'),
  })
  .describe('A listener')

const drainingServer = z
  .object({
    server: z.string().describe('Its name'),
    sessions: count.describe('Sessions that the process still has there'),
  })
  .describe('A server that the process still has sessions on')

const drainingListener = z
  .object({
    listener: z.string().describe('Its name'),
    sessions: count.describe('Sessions that the process still has of it'),
    servers: z.array(drainingServer).describe('The servers that they are on'),
  })
  .describe('A listener that the process still has sessions of')

const draining = z
  .object({
    process: z.number().describe('Its process id'),
    version: z.string().describe('The version of its program'),
    since: moment.describe('When it ceased to take new sessions'),
    until: moment
      .extend({ in_ms: milliseconds.describe('How long it is until then, milliseconds') })
      .describe('When it ends what is left'),
    sessions: count.describe('Sessions that it still has'),
    listeners: z.array(drainingListener).describe('Where they are'),
  })
  .describe('A process of an earlier program that takes no new sessions')

const peer = z
  .object({
    address: z.string().describe('Its configured address and port'),
    name: orNull(z.string(), 'Its router_id', 'until it was connected once'),
    connected: z.boolean().describe('Whether it is connected'),
    since: moment.describe('Since when it is connected, or is not'),
    why: orNull(z.string(), 'Why it is not connected', 'when it is, or that is not known'),
    told: count.describe('Exceptions that it has been told by this connection'),
    taken: count.describe('Exceptions that were taken from it by this connection'),
    holds: z.array(z.string()).describe('The virtual addresses that it has, by its own word'),
    warnings: z.array(z.string()).describe('What is configured otherwise there, in words'),
    malformed: counts.describe('What it said that was not understood, by reason'),
  })
  .describe('Another balancer')

const peers = z.object({
  listen: orNull(z.string(), 'Where the others connect to', 'without peers in the configuration'),
  trouble: orNull(z.string(), 'Why they cannot', 'when they can'),
  exceptions: orNull(
    count,
    'Sessions that the own slots would send to another server: a fail-over to a balancer that was not told of them ends them',
    'before the first look',
  ),
  fail_over_cost: orNull(z.string(), 'What a fail-over would cost now, in words', 'when it costs nothing'),
  peers: z.array(peer).describe('The other balancers'),
  refused: counts.describe('Connections that were not taken, by reason'),
})

/** The whole state of one balancer. */
export const statusSchema = z
  .object({
    schema_version: z
      .literal(schemaVersion)
      .describe(
        'The version of this form. A member that goes away or changes its meaning makes the next one; members may be added',
      ),
    router_id: z.string().describe('The name of this balancer'),
    version: z.string().describe('The version of the program'),
    generated_at: z.string().describe('When the document was made, UTC, ISO 8601 with milliseconds'),
    director_started: moment.describe('When the process that makes the document was started'),
    vrrp: z.array(routerStatus).describe('The VRRP instances, in the order of the configuration'),
    listeners: z.array(listenerStatus).describe('The listeners, in the order of the configuration'),
    draining: z.array(draining).describe('Processes of earlier programs that still have sessions'),
    peers: orNull(peers, 'The other balancers, for listeners with datapath: direct', 'when no listener has that'),
    findings: z.array(z.string()).describe('What else is wrong with this host or this program, and what helps'),
    status_page: z
      .object({ refused: counts.describe('Requests that got no page, by reason') })
      .describe('The status page itself'),
  })
  .describe('The state of one mysql-balancer')

/** See `statusSchema`. A moment is `{ at, ago_ms }`; durations carry their unit in the name. */
export type Status = Frozen<z.output<typeof statusSchema>>
export type ListenerStatus = Status['listeners'][number]
export type ServerStatus = ListenerStatus['servers'][number]
export type RouterStatus = Status['vrrp'][number]
