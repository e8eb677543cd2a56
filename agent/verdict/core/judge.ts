// From the facts of a probe to the verdict on the node, for each question that a client may have.

import type { roles } from '../../../shared/health-report.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { ServerFacts, Words } from '../../probe/core/facts.ts'
import type { Failure } from '../../probe/core/failure.ts'
import { backlogObjection } from './backlog.ts'
import { ownMember } from './group.ts'
import { clusterOf, hidden, membershipObjection, shownFacts, type TestedMode, type Tolerance } from './membership.ts'
import { configuredCheck, type Question } from './question.ts'
import type { Reason } from './reason.ts'
import { absenceNotice, replicaObjection, withoutAbsentSources, worstLag } from './replica.ts'
import { freeConnections, type Reserves, resourceObjection } from './resources.ts'
import { offlineObjection, setFlags } from './writable.ts'

/** What the node is good for. It passes where the reason is `ok`. */
export type Verdict = {
  readonly reason: Reason
  /** It fails, and can serve all the same where nobody else does. */
  readonly lastResort: boolean
  readonly mode: TestedMode | null
  readonly role: (typeof roles)[number]
  readonly writable: boolean | null
  /** The worst lag of all channels in seconds; null without channels, and where it is not known. */
  readonly lag: number | null
  readonly freeConnections: number | null
  /** The server's own words that the verdict rests on, for people. */
  readonly facts: Words
}

/** How a node is to be judged. */
export type Judging = Tolerance & {
  readonly mode: 'auto' | TestedMode
  readonly reserves: Reserves
  /** Whether a server that takes writes fails where what it replicates itself does not run. */
  readonly writerMustReplicate: boolean
}

/** The verdict on a node that could not be asked. */
export const failed = ({ code, text }: Reason): Verdict => ({
  reason: { code, text },
  lastResort: false,
  mode: null,
  role: 'unknown',
  writable: null,
  lag: null,
  freeConnections: null,
  facts: {},
})

/** Judges what a server told. A cluster's own word comes first: it explains why the check query fails. */
export const judge = (facts: ServerFacts, judging: Judging, question: Question = configuredCheck): Verdict => {
  const { words: told } = facts
  if (!told.ok) {
    if (judging.mode !== 'ping' || question.about !== 'configured') return failed(withoutWords(told.failure))
    return facts.check === null ? { ...failed(passed('ping')), mode: 'ping' } : { ...failed(facts.check), mode: 'ping' }
  }
  const node = { facts, words: told.value, judging }
  const mode = testedMode(node, question)
  const objection = objectionTo(node, question)
  const notice = objection === null && mode === 'replica' ? replicationNotice(node) : null
  const verdict = {
    ...failed(objection ?? passed(mode, notice)),
    lastResort: objection !== null && isLastResort(node, question),
    mode,
    freeConnections: freeConnections(told.value),
    lag: lagOf(facts),
    facts: { ...shownFacts(mode, facts, told.value), ...(notice === null ? {} : { notice: notice.text }) },
  }
  // A node that fails its own check has no role; one that only is of the other role keeps its own.
  if (objection !== null && objectionTo(node, configuredCheck) !== null) return verdict
  const writable = isWritable(node)
  return { ...verdict, writable, role: writable === null ? 'unknown' : writable ? 'primary' : 'replica' }
}

/** Whether being a donor is all that keeps it from serving, and it may serve as the last one. */
const isLastResort = (node: Node, question: Question): boolean =>
  node.judging.availableWhenDonor === 'last' &&
  objectionTo({ ...node, judging: { ...node.judging, availableWhenDonor: true } }, question) === null

type Node = { readonly facts: ServerFacts; readonly words: Words; readonly judging: Judging }

const testedMode = ({ facts, words, judging: { mode } }: Node, { about }: Question): TestedMode => {
  switch (about) {
    case 'galera':
    case 'group_replication':
    case 'ndb':
      return about
    case 'configured':
    case 'primary':
    case 'replica':
      if (mode !== 'auto') return mode
      return clusterOf(words) ?? (facts.channels.ok && facts.channels.value.length > 0 ? 'replica' : 'ping')
    default:
      return about satisfies never
  }
}

const objectionTo = (node: Node, question: Question): Reason | null => {
  switch (question.about) {
    case 'galera':
    case 'group_replication':
    case 'ndb':
      return membershipObjection(question.about, node.facts, node.words, node.judging)
    case 'configured':
      return configuredObjection(node)
    case 'primary':
      return clusterObjection(node) ?? configuredObjection(node) ?? primaryObjection(node)
    case 'replica': {
      const bounded = { ...node, judging: { ...node.judging, ...boundsOf(question.maximumLag, node.judging) } }
      return (
        clusterObjection(bounded) ??
        configuredObjection(bounded) ??
        replicaRoleObjection(bounded) ??
        applierObjection(bounded)
      )
    }
    default:
      return question satisfies never
  }
}

const configuredObjection = (node: Node): Reason | null => {
  const { facts, words, judging } = node
  const mode = testedMode(node, configuredCheck)
  const membership =
    mode === 'replica' && judging.mode === 'auto' && isWritable(node) === true
      ? writerObjection(node)
      : membershipObjection(mode, facts, words, toleranceFor(node))
  const applier = mode === 'ping' ? null : applierObjection(node)
  return (
    membership ?? offlineObjection(words) ?? facts.check ?? applier ?? resourceObjection(facts, words, judging.reserves)
  )
}

const applierObjection = ({ facts, judging }: Node): Reason | null =>
  backlogObjection(facts, judging.maximumLag, judging.reserves.queues)

/** The worse of both: a member of a cluster may be a replica of something else. */
const lagOf = ({ channels, backlog }: ServerFacts): number | null => {
  const replicates = channels.ok && channels.value.length > 0
  const ofChannels = replicates ? worstLag(channels.value) : null
  if (!backlog?.ok || (replicates && ofChannels === null)) return ofChannels
  return Math.max(ofChannels ?? 0, Math.round(backlog.value.delay))
}

/** Who asks for a bound wants nothing older, and what a source has done while it is away is not known. */
const boundsOf = (asked: Millis | null, { maximumLag, maximumAbsence }: Judging) =>
  asked === null
    ? { maximumLag, maximumAbsence }
    : { maximumLag: asked, maximumAbsence: millis(Math.min(asked, maximumAbsence)) }

/** Only a server that takes no writes itself waits for its source. */
const toleranceFor = (node: Node): Tolerance =>
  isWritable(node) === false ? node.judging : { ...node.judging, maximumAbsence: millis(0) }

/** What a server that takes writes replicates itself: nobody is promoted that still has to. */
const writerObjection = ({ facts: { channels }, judging }: Node): Reason | null => {
  if (!judging.writerMustReplicate || !channels.ok) return null
  // Of two servers that replicate from each other the survivor goes on.
  return replicaObjection(withoutAbsentSources(channels.value), { ...judging, maximumAbsence: millis(0) })
}

/** What is shown of a replica that passes all the same. */
const replicationNotice = (node: Node): Reason | null => {
  const { channels } = node.facts
  if (!channels.ok) return null
  return isWritable(node) === true
    ? replicaObjection(channels.value, { ...node.judging, maximumAbsence: millis(0) })
    : absenceNotice(channels.value)
}

/** A role needs a working membership, also where `mode: ping` does not look at it. */
const clusterObjection = ({ facts, words, judging }: Node): Reason | null => {
  const cluster = clusterOf(words)
  return cluster === null ? null : membershipObjection(cluster, facts, words, judging)
}

const primaryObjection = (node: Node): Reason | null => {
  const { words } = node
  switch (isWritable(node)) {
    case true:
      return null
    case null:
      return { code: 'not-applicable', text: 'the server does not tell whether it takes writes (read_only)' }
    case false: {
      const [flag] = setFlags(words) ?? []
      return { code: 'read-only', text: flag === undefined ? 'the member is a SECONDARY' : `${flag} is ${words[flag]}` }
    }
  }
}

const replicaRoleObjection = (node: Node): Reason | null => {
  const { facts, words } = node
  const { channels } = facts
  const isReadOnly = isWritable(node) === false
  const hasChannels = channels.ok && channels.value.length > 0
  if (!isReadOnly && channels.ok && !hasChannels) {
    return { code: 'not-applicable', text: 'the server is neither read-only nor a replica' }
  }
  if (!channels.ok && isWritable(node) === true) {
    const text = `the server takes writes, and does not tell whether it is a replica: ${hidden(channels.failure)}`
    return { code: 'not-applicable', text }
  }
  // Members of a cluster that are in sync count as not behind, whether their channels can be seen or not.
  const isKnownFresh = isReadOnly && (channels.ok ? !hasChannels : clusterOf(words) !== null)
  return isKnownFresh ? null : membershipObjection('replica', facts, words, toleranceFor(node))
}

const passed = (mode: TestedMode, notice: Reason | null = null): Reason => ({
  code: 'ok',
  text: notice === null ? passedTexts[mode] : `the check query answers; ${notice.text}`,
})

const passedTexts: Readonly<Record<TestedMode, string>> = {
  ping: 'the check query answers',
  galera: 'the node is synced and answers',
  replica: 'replication runs and the check query answers',
  group_replication: 'the member is ONLINE and answers',
  ndb: 'data nodes are ready and the check query answers',
}

const withoutWords = (failure: Failure): Reason => ({
  code: failure.code,
  text: `the server does not tell its variables: ${failure.text}`,
})

/** Null where the server does not tell. */
const isWritable = ({ words, facts: { groupMembers } }: Node): boolean | null => {
  const flags = setFlags(words)
  if (flags === null) return null
  const own = groupMembers?.ok ? ownMember(words, groupMembers.value) : undefined
  return flags.length === 0 && own?.['member_role'] !== 'SECONDARY'
}
