// Rules over several keys of a listener. They read the raw input leniently, as all rules do.

import { z } from 'zod'
import type { Finding } from './document.ts'
import { listOf, mapping, text } from './lenient.ts'
import { durationMillis } from './values.ts'

const checks = z
  .preprocess((value) => (Array.isArray(value) ? value : [value]), listOf(mapping({ path: text, password_file: text })))
  .catch([])

const lenient = mapping({
  listeners: listOf(
    mapping({
      balance: text,
      on_marked_down: text,
      shutdown_grace: text,
      panic_threshold: z.number().optional().catch(undefined),
      fail_back: z.boolean().optional().catch(undefined),
      check: checks,
    }),
  ),
})

type Listener = NonNullable<z.output<typeof lenient>>['listeners'][number]

/** What contradicts itself in the listeners. `secretProblem` says what is wrong with a file that holds a password. */
export const listenerFindings = (
  input: unknown,
  secretProblem: (file: string) => string | undefined,
): readonly Finding[] =>
  (lenient.parse(input)?.listeners ?? []).flatMap((listener, i) => [
    ...contradictions(listener).map(({ key, text }) => ({ path: ['listeners', i, key], text })),
    ...(listener?.check ?? []).flatMap((check, k) => {
      const problem = check?.password_file === undefined ? undefined : secretProblem(check.password_file)
      return problem === undefined ? [] : [{ path: ['listeners', i, 'check', k, 'password_file'], text: problem }]
    }),
  ])

/** Paths of the agent that pass on servers which take writes. */
const writerPaths = ['/primary', '/writer', '/master']

const contradictions = (listener: Listener): readonly { readonly key: string; readonly text: string }[] => {
  const isSingle = listener?.balance === 'single'
  const writes = isSingle || listener?.check.some((check) => writerPaths.includes(check?.path?.split('?')[0] ?? ''))
  const rules = [
    {
      key: 'on_marked_down',
      broken: isSingle && listener.on_marked_down === 'keep',
      text: 'balance: single ends the sessions of a demoted writer; remove this key',
    },
    {
      key: 'shutdown_grace',
      broken: isSingle && (durationMillis(listener.shutdown_grace) ?? 0) > 0,
      text: 'balance: single ends the sessions of a demoted writer at once; remove this key',
    },
    {
      key: 'fail_back',
      broken: !isSingle && listener?.fail_back !== undefined,
      text: 'it belongs to balance: single; remove it, or set balance: single',
    },
    {
      key: 'panic_threshold',
      broken: writes && (listener?.panic_threshold ?? 0) > 0,
      text: 'not for writers: nothing may be written to a server that fails its checks; remove this key',
    },
  ]
  return rules.filter(({ broken }) => broken)
}
