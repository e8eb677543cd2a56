// The statements that make a check user, with its password, its hash, or a word in the place of either.

import type { Grant } from './grants.ts'

/** A user as the server knows it. */
export type Account = { readonly user: string; readonly host: string }

/** One thing to do on the server. `change` gives an account another password. */
export type Step =
  | { readonly kind: 'create' | 'change'; readonly account: Account }
  | { readonly kind: 'grant'; readonly account: Account; readonly grant: Grant }
  | { readonly kind: 'table'; readonly table: string }

/** How a password is written: in the clear, as MariaDB's hash, or not at all. */
export type Secret =
  | { readonly kind: 'clear' | 'hash'; readonly text: string }
  | { readonly kind: 'shown-as'; readonly text: string }

/** A text in quotes; the session has an empty sql_mode, so that a backslash escapes. */
export const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const nameOf = ({ user, host }: Account): string => `${quoted(user)}@${quoted(host)}`
const identified = ({ kind, text }: Secret): string =>
  kind === 'hash' ? `IDENTIFIED BY PASSWORD ${quoted(text)}` : `IDENTIFIED BY ${quoted(text)}`
const ticked = (name: string): string =>
  name
    .split('.')
    .map((part) => (part === '*' ? part : `\`${part}\``))
    .join('.')

/** Its statements. Made twice they do the same. */
export const statementsOf = (step: Step, secret: Secret): readonly string[] => {
  switch (step.kind) {
    case 'create':
      return [`CREATE USER IF NOT EXISTS ${nameOf(step.account)} ${identified(secret)}`]
    case 'change':
      return [`ALTER USER ${nameOf(step.account)} ${identified(secret)}`]
    case 'grant':
      return [`GRANT ${step.grant.privileges.join(', ')} ON ${ticked(step.grant.on)} TO ${nameOf(step.account)}`]
    case 'table': {
      const [database = ''] = step.table.split('.')
      return [
        `CREATE DATABASE IF NOT EXISTS ${ticked(database)}`,
        `CREATE TABLE IF NOT EXISTS ${ticked(step.table)} (node VARCHAR(255) PRIMARY KEY, beat_at TIMESTAMP(6) NOT NULL)`,
      ]
    }
    default:
      return step satisfies never
  }
}
