// A server of a listener in the status document.

import * as z from 'zod'
import { roles } from '../../../../shared/health-report.ts'
import { adminStates } from '../../../pool/core/facts.ts'
import { count, counts, milliseconds, moment, momentWith, orNull } from './words.ts'

const unknown = 'when it is not known: before the first report, or because the datapath cannot tell'
const findings = z.enum(['check', 'push', 'session'])
const admin = z.enum(adminStates)

const lastCheck = momentWith({
  passed: z.boolean().describe('Whether it passed'),
  status: z
    .string()
    .describe("HAProxy's word for the result, such as L7OK, L4CON, L4TOUT; those of layer 3 are formed alike"),
  code: orNull(
    z.number(),
    'The status of the HTTP answer, or the error number of the server',
    'when the check has none',
  ),
  duration_ms: milliseconds.describe('How long it took, milliseconds'),
  reason: z.string().describe('Why, as a code: ok, or one of those of mysqlchk-agent, such as read-only'),
  text: z.string().describe('Why, in words'),
  by: findings.describe('How it was found: check, push (the agent said it), session (sessions could not connect)'),
  news_age_ms: orNull(milliseconds, 'How old the finding was when it came, milliseconds', 'when nobody said'),
})

const found = z.object({
  by: findings.describe('How: check, push (the agent said it), session (sessions could not connect)'),
  news_age_ms: orNull(milliseconds, 'How old the finding was when it came, milliseconds', 'when nobody said'),
})

const holder = z
  .object({
    by: z.enum(['operator', 'agent', 'check']).describe('Who'),
    wants: z.string().describe('What: drain, maint, down, a weight, a limit of sessions'),
    since: orNull(moment, 'Since when', 'when that is not known'),
    text: z.string().describe('Its own words; empty where it has none'),
  })
  .describe('One who keeps the server from its configured share of sessions')

const health = z.object({
  value: z.number().describe('0 to rise - 1 is down, rise to rise + fall - 1 is up'),
  rise: z.number().describe('Checks in a row that have to pass to bring it up'),
  fall: z.number().describe('Checks in a row that have to fail to take it down'),
})

const orders = z.object({
  admin: admin.describe('What an operator ordered; ready where nothing is ordered'),
  admin_since: orNull(moment, 'Since when', 'when nothing is ordered, or that is not known'),
  weight: orNull(z.number(), 'The weight that an operator ordered', 'when it is the configured one'),
  weight_since: orNull(moment, 'Since when', 'when nothing is ordered, or that is not known'),
})

const agentCheck = momentWith({
  since: orNull(moment, 'Since when the agent wants this', 'when that is not known'),
  admin: admin.describe('What the agent wants'),
  down: z.boolean().describe('The agent says that the server is down'),
  weight_percent: orNull(z.number(), 'The share of the configured weight that it wants, percent', 'when it says none'),
  maximum_sessions: orNull(z.number(), 'The most sessions that it wants', 'when it says none'),
  text: z.string().describe('Its own words; empty where it has none'),
})

const agentTrouble = z.object({
  failures_in_a_row: count.describe('How often it could not be asked, the last times in a row'),
  silent: z.boolean().describe('It failed so often that what it said before has no say any more'),
  reason: z.string().describe('Why it could not be asked last; empty where it could'),
  lines_with_unknown_words: count.describe('Lines with words that nobody knows'),
  last_unknown_words: z.string().describe('The last of these words; empty where there were none'),
})

/** One server of one listener. */
export const serverStatus = z
  .object({
    name: z.string().describe('Its name in the configuration'),
    address: z.string().describe('Its address and port'),
    backup: z.boolean().describe('It gets sessions only where no other server can take them'),
    weight: z.number().describe('The weight in force, 0 to 256'),
    configured_weight: z.number().describe('The weight of the configuration, 0 to 256'),
    throttle_percent: orNull(
      z.number(),
      'The share of its weight that it has while it starts slowly, percent (HAProxy: throttle)',
      'when it has all of it, or is down',
    ),
    takes_sessions: z.boolean().describe('New sessions may go to it'),
    role: z.enum(roles).describe('What it is to its cluster, as its agent says'),
    admin: admin.describe('The stricter of what an operator and the agent want'),
    up: z.boolean().describe('Its checks pass'),
    status: z
      .string()
      .describe("HAProxy's word: UP, UP 2/3 while failing, DOWN, DOWN 1/2 while rising, DRAIN, NOLB, MAINT"),
    since: orNull(moment, 'When it got its state', 'until the first check'),
    last_check: orNull(lastCheck, 'The last check', 'until the first one is over'),
    health: orNull(health, "HAProxy's counter of the check that matters most", 'until the first check'),
    checks: count.describe('Checks that are over'),
    failed_checks: count.describe('Checks that failed'),
    times_down: count.describe('How often it went down'),
    down_ms: milliseconds.describe('How long it was down in all, milliseconds'),
    watched: z.boolean().describe('Its agent says by itself what changes'),
    found: orNull(found, 'What brought it up or down last', 'when nothing did yet'),
    held_by: z.array(holder).describe('Who keeps it from its configured share of sessions'),
    orders: orders.describe('What operators ordered at runtime'),
    agent_check: orNull(agentCheck, 'What its agent said last (HAProxy: agent-check)', 'when nobody asks one'),
    agent_trouble: orNull(agentTrouble, 'How asking its agent goes', 'when nobody asks one'),
    late_checks: count.describe(
      'Checks that ran out of time while this program was stalled, and say nothing of the server',
    ),
    malformed_reports: counts.describe('Answers that claimed to be a health report and were none, by reason'),
    sessions: orNull(count, 'Sessions now, those of earlier programs among them', unknown),
    maximum_sessions: orNull(count, 'The most sessions at once since the forwarder began', unknown),
    session_limit: count.describe('The most sessions that it gets at once; 0 is no limit'),
    total_sessions: orNull(count, 'Sessions in all', unknown),
    session_rate: orNull(z.number(), 'New sessions a second', unknown),
    maximum_session_rate: orNull(z.number(), 'The most new sessions a second', unknown),
    last_session: orNull(moment, 'When the last session came', 'when none has come, or that is not known'),
    bytes_in: orNull(z.number(), 'What clients sent, bytes', unknown),
    bytes_out: orNull(z.number(), 'What clients were sent, bytes', unknown),
    connect_failures: orNull(count, 'Connections to it that failed', unknown),
    connections: orNull(count, 'Connections that the whole server has, as its agent says', 'when it does not say'),
    retries: orNull(count, 'Clients that tried it again after a failure', 'when the datapath has none'),
    redispatches: orNull(count, 'Clients that went elsewhere after a failure', 'when the datapath has none'),
  })
  .describe('A server of a listener')
