// A VRRP instance in the status document.

import * as z from 'zod'
import { count, counts, milliseconds, moment, momentWith, orNull } from './words.ts'

const untold = 'until the vrrp process has told of it'

const route = z
  .object({
    route: z.string().describe('The route in the words of ip route'),
    there: z.boolean().describe('Whether it is in the routing table'),
    trouble: orNull(z.string(), 'Why it could not be added when that was tried last', 'when it could'),
  })
  .describe('A virtual route')

const part = z
  .object({
    of: z.string().describe('What it comes from: configured, or the name of what is tracked'),
    value: z.number().describe('What it adds to the priority, or takes from it'),
  })
  .describe('A part of the priority')

/** Who sent an advertisement. */
const sender = {
  from: z.string().describe('The address of the router that sent it'),
  balancer: orNull(
    z.object({
      name: z.string().describe('Its router_id, or its address in peers until it was connected once'),
      address: z.string().describe('Its address and port in peers'),
    }),
    'Which of the other balancers in peers that is',
    'when that is not known',
  ),
}

const otherMasters = z.object({
  count: count.describe('Advertisements of another master that this one contradicted, since the start of the process'),
  last: orNull(momentWith(sender), 'The last one', 'when there was none'),
})

const conflicts = z.object({
  count: count.describe(
    'Sound advertisements of routers that are configured otherwise, since the start of the process',
  ),
  last: orNull(
    momentWith({
      ...sender,
      differs: z.string().describe('What differs there, in words'),
      priority: z.number().describe('The priority that it said'),
      addresses: z.array(z.string()).describe('The virtual addresses that it said'),
      over: z
        .boolean()
        .describe(
          'It stopped, or has said since what this router says, or this one was configured anew and has not heard it since',
        ),
    }),
    'The last one',
    'when there was none',
  ),
})

/** One VRRP instance of this host. */
export const routerStatus = z
  .object({
    name: z.string().describe('Its name in the configuration'),
    state: z
      .enum(['init', 'backup', 'master', 'fault'])
      .describe('RFC 9568 section 6.4, and fault as keepalived has it; init until the vrrp process has told of it'),
    since: orNull(moment, 'When it entered its state', untold),
    interface: orNull(z.string(), 'The interface that it advertises on', untold),
    virtual_router_id: orNull(z.number(), 'Its virtual router id, 1 to 255', untold),
    version: orNull(z.number(), 'The version of VRRP that it speaks, 2 or 3', untold),
    priority: orNull(z.number(), 'The effective priority, the sum of priority_parts', untold),
    advertisement_interval_ms: orNull(
      milliseconds,
      'The time from one advertisement to the next, milliseconds',
      untold,
    ),
    virtual_addresses: z.array(z.string()).describe('The virtual addresses, without prefix lengths'),
    virtual_routes: z.array(route).describe('The virtual routes'),
    family: orNull(z.enum(['ipv4', 'ipv6']), 'The family of its addresses', untold),
    reason: orNull(z.string(), 'Why it entered its state, in words', untold),
    handing_over: z.boolean().describe('It keeps the addresses only until another router has them'),
    stands_back: z.boolean().describe('An operator ordered a hand-over: it preempts nobody until it is ordered ready'),
    in_maintenance: z.boolean().describe('An operator took it out: it takes no part until it is ordered ready'),
    sync_group: orNull(z.string(), 'The sync group that it is in', 'when it is in none'),
    source: orNull(z.string(), 'The address that it sends from', 'while its interface has none'),
    unicast_peers: orNull(z.array(z.string()), 'The addresses that it sends to', 'with multicast'),
    priority_parts: z.array(part).describe('What the priority is made of'),
    other_masters: otherMasters.describe('Routers that said they are master while this one was'),
    conflicts: conflicts.describe('Routers of the same virtual router id that are configured otherwise'),
    last_advertisement: orNull(
      momentWith({
        ...sender,
        priority: z.number().describe('The priority that it said'),
      }),
      'The last advertisement that was accepted',
      'when there was none',
    ),
    transitions: count.describe('Changes of state since the start of the process'),
    sent: count.describe('Advertisements sent since the start of the process'),
    received: count.describe('Advertisements accepted since the start of the process'),
    dropped: counts.describe('Packets that changed nothing since the start of the process, by reason'),
    findings: z
      .array(z.string())
      .describe(
        'What on this host has its addresses held by nobody or by two, and what helps: rules that drop its advertisements',
      ),
  })
  .describe('A VRRP instance')
