// Rules over those who are told of what happens: programs that must be there, users, files with secret headers.

import * as z from 'zod'
import { programProblem } from '../os/program-file.ts'
import { findUser } from '../os/users.ts'
import type { Finding } from './document.ts'
import { listOf, mapping, text } from './lenient.ts'
import { fileFindings, readHeaderFile } from './secret-file.ts'

/** A program and its arguments, however they are written. */
export const words = z.union([z.string().transform((one) => [one]), z.array(z.string())]).catch([])

/** Webhooks as far as rules read them. */
export const webhooks = listOf(mapping({ header_files: z.record(z.string(), z.string()).catch({}) }))

const lenient = mapping({
  vrrp: mapping({ script_user: text }),
  notify: mapping({ server: words, writer: words, user: text, webhooks }),
})

/** What is wrong with the notifications of servers and writers. */
export const notifyFindings = (input: unknown): readonly Finding[] => {
  const config = lenient.parse(input)
  if (config?.notify === undefined) return []
  const { user, webhooks: receivers, ...scripts } = config.notify
  return [
    ...userFindings(user, ['notify', 'user']),
    ...Object.entries(scripts).flatMap(([key, command]) =>
      programFindings(command, user ?? config.vrrp?.script_user, ['notify', key]),
    ),
    ...webhookFindings(receivers, ['notify', 'webhooks']),
  ]
}

/** What keeps a program from being run by a user. */
export const programFindings = (
  command: readonly string[] | undefined,
  user: string | undefined,
  path: readonly PropertyKey[],
): readonly Finding[] => {
  const program = command?.[0]
  // Anything but an absolute path is the schema's to report.
  if (!program?.startsWith('/')) return []
  const problem = programProblem(program, user)
  return problem === undefined ? [] : [{ path, text: problem }]
}

/** Whether a user is there. */
export const userFindings = (user: string | undefined, path: readonly PropertyKey[]): readonly Finding[] =>
  user === undefined || findUser(user) !== undefined
    ? []
    : [{ path, text: `/etc/passwd has no user ${user}; create it, or name another` }]

/** What is wrong with the files of secret headers. */
export const webhookFindings = (
  receivers: z.output<typeof webhooks>,
  path: readonly PropertyKey[],
): readonly Finding[] =>
  receivers.flatMap((webhook, i) =>
    Object.entries(webhook?.header_files ?? {}).flatMap(([header, file]) =>
      file.startsWith('/') ? fileFindings(readHeaderFile(file), [...path, i, 'header_files', header]) : [],
    ),
  )
