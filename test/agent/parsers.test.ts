// Properties of the parsers that read what people and servers write: nothing throws, nothing passes by accident.

import { isIP } from 'node:net'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { stringify } from 'yaml'
import { parseArguments } from '../../agent/commands/arguments.ts'
import { checkDocument } from '../../agent/config/document.ts'
import { contradictions } from '../../agent/config/rules.ts'
import { agentSchema } from '../../agent/config/schema.ts'
import { network, percentage } from '../../agent/config/values.ts'
import { parseDuration } from '../../agent/core/duration.ts'
import { failureOf } from '../../agent/probe/core/failure.ts'
import type { Row } from '../../agent/probe/core/rows.ts'
import { accessRules, sourceOf } from '../../agent/server/admission.ts'
import { ownMember } from '../../agent/verdict/core/group.ts'
import { judge } from '../../agent/verdict/core/judge.ts'
import { memberships } from '../../agent/verdict/core/question.ts'
import { reasonCodes } from '../../shared/reason.ts'
import { facts, judging } from './samples.ts'

const text = fc.string({ unit: 'binary', maxLength: 60 })

t.test('no command line throws, and a usage error is one line', async (t) => {
  const word = fc.oneof(
    fc.constantFrom('run', 'check', 'once', 'fail', 'pass', '--config', '-c', '--json', '--path', '--for', '30m', '--'),
    text,
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const invocation = parseArguments(words)
      return invocation.command !== 'usage-error' || invocation.text !== ''
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

const check = (yaml: string) => checkDocument(yaml, agentSchema, contradictions)

t.test('no text that is called a configuration throws, and each problem has its place', async (t) => {
  const key = fc.constantFrom('mysql', 'check', 'listen', 'access', 'port', 'password', 'timeout', 'allow', 'mode')
  const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, true, -1, 1.5, '', '1s', 'auto', '10.0.0.0/8', '*a', '!x y', '&a b'),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(key, tie('node'), { maxKeys: 4 }),
    ),
  })).node
  const documents = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: fc.constantFrom(...'ab:{}[]&*!|>%@`"\'#-?, \n\t'), maxLength: 100 }),
    value.map((one) => stringify(one)),
  )
  fc.assert(
    fc.property(documents, (yaml) => {
      const checked = check(yaml)
      return checked.ok || checked.problems.every(({ line, column, text }) => line >= 1 && column >= 1 && text !== '')
    }),
    { numRuns: 1500 },
  )
  t.pass()
})

t.test('a password is never part of a problem, wherever it is written', async (t) => {
  const secret = 'hunter2secret'
  // Behind a key glued to it nothing tells where the one ends and the other begins.
  const apart = fc.constantFrom(':', ': ', '=', ' = ', ': "', ": '", ': [', ': { ', ': !', ': *', ': &', ' ', ': |')
  const around = fc.string({ unit: fc.constantFrom(...' :{}[],&*!|>"\'#-?=\n'), maxLength: 6 })
  const place = fc.constantFrom('password', 'password_file', 'password_credential')
  fc.assert(
    fc.property(place, apart, around, fc.constantFrom('{ ', '\n  '), (key, before, after, open) => {
      const checked = check(`mysql:${open}${key}${before}${secret}${after}${open === '{ ' ? ' }' : '\n'}`)
      return checked.ok || !inspect(checked.problems, { depth: 5 }).includes(secret)
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

t.test('networks, shares and durations are what they say, or refused', async (t) => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6())
  fc.assert(
    fc.property(address, fc.integer({ min: -1, max: 140 }), (one, bits) => {
      const isValid = bits >= 0 && bits <= (isIP(one) === 4 ? 32 : 128)
      return network.safeParse(`${one}/${bits}`).success === isValid && network.safeParse(one).success
    }),
  )
  fc.assert(
    fc.property(text, (one) => {
      const parsed = network.safeParse(one)
      return !parsed.success || isIP(one.split('/')[0] ?? '') !== 0
    }),
  )
  fc.assert(
    fc.property(fc.oneof(text, fc.double()), (one) => {
      const parsed = percentage.safeParse(one)
      return !parsed.success || (parsed.data >= 0 && parsed.data < 100)
    }),
  )
  fc.assert(
    fc.property(text, (one) => {
      const parsed = parseDuration(one)
      return parsed === null || (parsed >= 0 && Number.isFinite(parsed))
    }),
  )
  t.pass()
})

t.test('an IPv4 peer is judged alike on an IPv4 and on an IPv6 listener, by the longest match', async (t) => {
  const list = fc.array(
    fc.tuple(fc.ipV4(), fc.nat(32)).map(([one, bits]) => network.parse(`${one}/${bits}`)),
    { maxLength: 5 },
  )
  const bitsOf = (address: string): number =>
    address.split('.').reduce((bits, byte) => ((bits << 8) | Number(byte)) >>> 0, 0)
  const holds = (peer: string, { address, prefixLength }: { address: string; prefixLength: number }): boolean =>
    prefixLength === 0 || (bitsOf(peer) ^ bitsOf(address)) >>> (32 - prefixLength) === 0
  fc.assert(
    fc.property(list, list, fc.ipV4(), (allow, deny, peer) => {
      const isAllowed = accessRules({ allow, deny })
      const longest = (one: typeof allow): number =>
        Math.max(-1, ...one.filter((net) => holds(peer, net)).map(({ prefixLength }) => prefixLength))
      const [yes, no] = [longest(allow), longest(deny)]
      const expected = yes < 0 && no < 0 ? allow.length === 0 : yes > no
      return isAllowed(sourceOf(peer)) === expected && isAllowed(sourceOf(`::ffff:${peer}`)) === expected
    }),
    { numRuns: 1000 },
  )
  t.equal(accessRules({ allow: [], deny: [network.parse('10.0.0.0/8')] })(sourceOf(undefined)), true, 'gone already')
})

t.test('no error of a client or a server is without a reason and one line of text', async (t) => {
  const error = fc.record(
    {
      message: text,
      code: fc.oneof(text, fc.constantFrom('ECONNREFUSED', 'ENOENT', 'EACCES', 'EAGAIN', 'ERR_OUT_OF_RANGE')),
      errno: fc.integer({ min: -200, max: 5000 }),
      fatal: fc.boolean(),
    },
    { requiredKeys: ['message'] },
  )
  fc.assert(
    fc.property(error, (one) => {
      const { code, text: said } = failureOf(one)
      return reasonCodes.includes(code) && code !== 'ok' && !/\p{Cc}/u.test(said)
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

t.test('a member of a group passes only as ONLINE in a majority, an SQL node only with data nodes', async (t) => {
  const own = 'own'
  const state = fc.constantFrom('ONLINE', 'RECOVERING', 'OFFLINE', 'ERROR', 'UNREACHABLE', '', 'NEW')
  const cell = fc.option(fc.oneof(text, state))
  const row: fc.Arbitrary<Row> = fc.oneof(
    fc.record({ member_id: fc.constantFrom(own, 'b', 'c', ''), member_state: state, member_role: cell }),
    fc.dictionary(fc.constantFrom('member_id', 'member_state', 'member_role', 'status'), cell),
  )
  const group = { group_replication_group_name: 'g', server_uuid: own, read_only: 'OFF' }
  fc.assert(
    fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
      const members = { ok: true, value: rows } as const
      const { reason } = judge(facts(group, { groupMembers: members }), judging(), { about: memberships[1] })
      const isOnline = ownMember(group, rows)?.['member_state'] === 'ONLINE'
      const lost = rows.filter((one) => ['OFFLINE', 'ERROR', 'UNREACHABLE'].includes(one['member_state'] ?? 'OFFLINE'))
      return (reason.code === 'ok') === (isOnline && lost.length * 2 < rows.length)
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.oneof(text, fc.constantFrom('0', '1', '2')), fc.array(row, { maxLength: 4 }), (ready, rows) => {
      const dataNodes = { ok: true, value: rows } as const
      const { reason } = judge(facts({ ndb_number_of_ready_data_nodes: ready }, { dataNodes }), judging(), {
        about: 'ndb',
      })
      const isExpected = /^[1-9]\d*$/.test(ready) && rows.some((one) => one['status'] === 'STARTED')
      return (reason.code === 'ok') === isExpected
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
