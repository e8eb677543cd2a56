// What setup-user tells an operator: what it found, why it leaves a user alone, and what comes next.

import type { Failure } from '../../probe/core/failure.ts'
import { isGroupMember } from '../../verdict/core/group.ts'
import { clusterOf } from '../../verdict/core/membership.ts'
import type { Plan } from './plan.ts'
import { isMariaDb, type Seen } from './server.ts'
import { type Step, statementsOf } from './statements.ts'

/** Who it is about: the check user, its password file, and the command that an operator gives on the other nodes. */
export type Subject = {
  readonly user: string
  readonly file: string | null
  readonly command: string
  /** The name of this host. */
  readonly host: string
}

/** What stands for the password where the statements are only shown. */
export const placeholder = { kind: 'shown-as', text: 'PASSWORD' } as const

/** `MariaDB 10.11.6 behind /run/mysqld/mysqld.sock, a Galera node; check.mode: auto`. */
export const foundText = (seen: Seen, socket: string, mode: string): string => {
  const name = isMariaDb(seen) ? 'MariaDB' : 'MySQL'
  return `${name} ${/[\d.]+/.exec(seen.version)?.[0] ?? seen.version} behind ${socket}, ${kindOf(seen)}; check.mode: ${mode}`
}

const kindOf = ({ words, sources, hasReplicas }: Seen): string => {
  if (clusterOf(words) === 'galera') return 'a Galera node'
  if (isGroupMember(words)) return 'a member of a replication group'
  if (sources.length > 0) return `a replica of ${sources.join(' and ')}`
  return hasReplicas ? 'with replicas' : 'standing alone'
}

/** Statements to be read or pasted, without any password. */
export const shown = (steps: readonly Step[]): string =>
  steps
    .flatMap((step) => statementsOf(step, placeholder))
    .map((statement) => `  ${statement};\n`)
    .join('')

/** The line that brings the password here, or to another node. */
const bringIt = ({ file, command }: Subject, from: string): string =>
  `  ssh ${from} cat ${file ?? 'THE PASSWORD FILE'} | ${command} --password-from -\n`

/** What would be done, and how to do it by hand. */
export const previewText = (
  { steps, left }: Extract<Plan, { readonly kind: 'do' }>,
  { user, file, command }: Subject,
  { isInPlace }: { readonly isInPlace: boolean },
): string => {
  if (steps.length === 0 && isInPlace)
    return `${user} is there already, with all it needs. Nothing is to do.\n${leftText(left)}`
  const where = file ?? 'agent.yaml'
  const secret = isInPlace
    ? `with the password of ${where}`
    : `and writes its password, made at random unless one is given, to ${where}`
  return (
    `Nothing was changed. ${command} runs this, ${secret}:\n${shown(steps)}` +
    `By hand: put the password into ${where} (chmod 600) and in the place of ${placeholder.text}, then restart the agent.\n${leftText(left)}`
  )
}

/** What only the server that takes writes can do. */
export const leftText = (left: readonly Step[]): string =>
  left.length === 0
    ? ''
    : `For a login where clients come in, on the server that takes writes, with the same password:\n${shown(left)}`

/** What the other nodes need once the user is made. */
export const othersText = (seen: Seen, subject: Subject): string => {
  const hasOthers = clusterOf(seen.words) !== null || seen.hasReplicas || seen.sources.length > 0
  return hasOthers
    ? `The other nodes get the user by replication, and need its password. On each of them:\n${bringIt(subject, subject.host)}`
    : ''
}

/** A statement that the server did not take. */
export const undoneText = ({ statement, failure, isBegun }: Undone): string => {
  const state = isBegun ? 'What came before it is done, and stays' : 'Nothing was changed'
  return `the server does not take\n  ${statement};\n${failure.text}${adviceOn(failure.text)}. ${state}; run this again when that is right`
}

type Undone = { readonly statement: string; readonly failure: Failure; readonly isBegun: boolean }

const adviceOn = (text: string): string => {
  if (/^error 1819\b/.test(text)) {
    return ', its rules for passwords refuse this one (validate_password, simple_password_check, cracklib_password_check); give it one that they take: --password-from FILE'
  }
  return /^error (1044|1142|1227|1410)\b/.test(text) ? '; log in as one who may do that: --option-file FILE' : ''
}

/** Why nothing was changed, and the ways on. */
export const refusalText = (plan: Exclude<Plan, { readonly kind: 'do' }>, subject: Subject, seen: Seen): string => {
  const { user, file, command } = subject
  const place = file ?? 'agent.yaml'
  const others = `everything else that logs in as ${user} - other nodes, the script of xinetd - needs that one then`
  switch (plan.kind) {
    case 'password-unknown':
      return (
        `${user} is on this server already (for ${seen.hosts.join(', ')}), and its password is not in ${place}. Nothing was changed.\n` +
        `Was it made on another node, or is it the script's? Bring its password here:\n${bringIt(subject, 'OTHER-NODE')}` +
        `or without a file: ${command} --password-from -    (type it, Return, Ctrl-D)\n` +
        `Is it lost? --set-password gives the user a new one; ${others}.\n`
      )
    case 'password-differs':
      return (
        `The server does not take the password of ${place} for ${user} (it is there for ${seen.hosts.join(', ')}). Nothing was changed.\n` +
        `Bring the right one here:\n${bringIt(subject, 'OTHER-NODE')}` +
        `or --set-password gives the user the one that is here; ${others}.\n`
      )
    case 'read-only': {
      const source = seen.sources[0] ?? 'the server that takes writes'
      return (
        `Users are not made here: ${plan.why}. Nothing was changed. They come from ${source}. Run there\n` +
        `  ${command}\nand then here\n${bringIt(subject, 'THAT-HOST')}What this server lacks:\n${shown(plan.steps)}`
      )
    }
    default:
      return plan satisfies never
  }
}
