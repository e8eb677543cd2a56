// Rules over several keys of balancer.yaml. They read the raw input leniently, so that they speak even when the
// schema found problems elsewhere; what a rule cannot read, the schema has already reported.

import { z } from 'zod'
import type { Finding } from './document.ts'
import { listOf, mapping, repeatedNames, text } from './lenient.ts'
import { listenerFindings } from './listener-rules.ts'
import { routeFindings } from './vrrp-route-rules.ts'
import { vrrpFindings } from './vrrp-rules.ts'
import { trackFindings } from './vrrp-track-rules.ts'

const lenient = mapping({
  listeners: listOf(mapping({ name: text, bind: z.unknown(), servers: listOf(mapping({ name: text })) })),
  admin: mapping({
    http: mapping({ bind: z.unknown(), users: listOf(mapping({ name: text, password_file: text })) }),
  }),
})

type Lenient = z.output<typeof lenient>

/** What is wrong with a file that a configuration names, by its kind; undefined for a good one. */
export type FileProblems = {
  readonly password: (file: string) => string | undefined
  readonly secret: (file: string) => string | undefined
}

/** What contradicts itself in a configuration, and which of its password files cannot be used. */
export const crossFieldFindings = (input: unknown, files: FileProblems): readonly Finding[] => {
  const config = lenient.parse(input)
  return [
    ...vrrpFindings(input),
    ...trackFindings(input),
    ...routeFindings(input),
    ...listenerFindings(input, files.secret),
    ...nameFindings(config),
    ...bindFindings(config),
    ...passwordFindings(config, files.password),
  ]
}

const nameFindings = (config: Lenient): readonly Finding[] => {
  const listeners = config?.listeners ?? []
  return [
    ...repeatedNames(listeners, 'listeners'),
    ...listeners.flatMap((listener, i) => repeatedNames(listener?.servers ?? [], 'listeners', i, 'servers')),
  ]
}

const bindFindings = (config: Lenient): readonly Finding[] => {
  const binds = (bind: unknown, ...path: PropertyKey[]) =>
    Array.isArray(bind)
      ? bind.map((value, i) => ({ value: String(value), path: [...path, i] }))
      : [{ value: typeof bind === 'string' ? bind : undefined, path }]
  const all = [
    ...(config?.listeners ?? []).flatMap((listener, i) => binds(listener?.bind, 'listeners', i, 'bind')),
    ...binds(config?.admin?.http?.bind, 'admin', 'http', 'bind'),
  ]
  return all.flatMap(({ value, path }, i) => {
    const taken = all.slice(0, i).find((earlier) => areSame(earlier.value, value))?.value
    const text = `found "${value}"; ${taken} above has this address and port; choose another port`
    return taken === undefined ? [] : [{ path, text }]
  })
}

const anyAddress = /^0\.0\.0\.0:/

/** Whether two listeners would want the same port: 0.0.0.0 stands for every address. */
const areSame = (one: string | undefined, other: string | undefined): boolean => {
  const [port, otherPort] = [one?.split(':').at(-1), other?.split(':').at(-1)]
  if (one === undefined || other === undefined || port !== otherPort) return false
  return one === other || anyAddress.test(one) || anyAddress.test(other)
}

const passwordFindings = (
  config: Lenient,
  passwordFileProblem: (file: string) => string | undefined,
): readonly Finding[] =>
  (config?.admin?.http?.users ?? []).flatMap((user, i) => {
    const problem = user?.password_file === undefined ? undefined : passwordFileProblem(user.password_file)
    return problem === undefined ? [] : [{ path: ['admin', 'http', 'users', i, 'password_file'], text: problem }]
  })
