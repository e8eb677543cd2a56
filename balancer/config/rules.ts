// Rules over several keys of balancer.yaml. They read the raw input leniently, so that they speak even when the
// schema found problems elsewhere; what a rule cannot read, the schema has already reported.

import { z } from 'zod'
import type { Finding } from './document.ts'
import { durationMillis } from './values.ts'

const text = z.string().optional().catch(undefined)
const listOf = <T extends z.ZodType>(item: T) => z.array(item).catch([])
const mapping = <T extends z.ZodRawShape>(shape: T) => z.object(shape).optional().catch(undefined)

const lenient = mapping({
  vrrp: mapping({
    instances: listOf(
      mapping({
        name: text,
        interface: text,
        virtual_router_id: z.number().optional().catch(undefined),
        version: z
          .union([z.literal(2), z.literal(3)])
          .optional()
          .catch(undefined),
        advertisement_interval: text,
      }),
    ),
  }),
  listeners: listOf(mapping({ name: text, bind: z.unknown(), servers: listOf(mapping({ name: text })) })),
  admin: mapping({
    http: mapping({ bind: z.unknown(), users: listOf(mapping({ name: text, password_file: text })) }),
  }),
})

type Lenient = z.output<typeof lenient>

/** What contradicts itself in a configuration. `passwordFileProblem` says what is wrong with a file of a status user. */
export const crossFieldFindings = (
  input: unknown,
  passwordFileProblem: (file: string) => string | undefined,
): readonly Finding[] => {
  const config = lenient.parse(input)
  return [
    ...intervalFindings(config),
    ...virtualRouterFindings(config),
    ...nameFindings(config),
    ...bindFindings(config),
    ...passwordFindings(config, passwordFileProblem),
  ]
}

const maximumIntervalOfVersion3 = 40_950

const intervalFindings = (config: Lenient): readonly Finding[] =>
  (config?.vrrp?.instances ?? []).flatMap((instance, i) => {
    const interval = durationMillis(instance?.advertisement_interval ?? '1s')
    if (interval === undefined) return []
    const found = `found "${instance?.advertisement_interval}"; `
    const path = ['vrrp', 'instances', i, 'advertisement_interval']
    if ((instance?.version ?? 2) === 2) {
      return interval % 1000 === 0
        ? []
        : [{ path, text: `${found}VRRP version 2 knows whole seconds only; write 1s, or set version: 3` }]
    }
    return interval % 10 === 0 && interval <= maximumIntervalOfVersion3
      ? []
      : [{ path, text: `${found}VRRP version 3 counts in steps of 10ms, up to 40950ms` }]
  })

const virtualRouterFindings = (config: Lenient): readonly Finding[] =>
  repeated(
    (config?.vrrp?.instances ?? []).map((instance, i) => ({
      value: instance && `${instance.interface} ${instance.virtual_router_id}`,
      path: ['vrrp', 'instances', i, 'virtual_router_id'],
    })),
    () => 'another instance has the same virtual_router_id on the same interface; choose another number',
  )

const nameFindings = (config: Lenient): readonly Finding[] => {
  const again = (name: string) => `found "${name}"; the name is taken above; choose another`
  const names = (items: readonly ({ name?: string | undefined } | undefined)[], ...path: PropertyKey[]) =>
    repeated(
      items.map((item, i) => ({ value: item?.name, path: [...path, i, 'name'] })),
      again,
    )
  const listeners = config?.listeners ?? []
  return [
    ...names(config?.vrrp?.instances ?? [], 'vrrp', 'instances'),
    ...names(listeners, 'listeners'),
    ...listeners.flatMap((listener, i) => names(listener?.servers ?? [], 'listeners', i, 'servers')),
  ]
}

const bindFindings = (config: Lenient): readonly Finding[] => {
  const binds = (bind: unknown, ...path: PropertyKey[]) =>
    Array.isArray(bind)
      ? bind.map((value, i) => ({ value: String(value), path: [...path, i] }))
      : [{ value: typeof bind === 'string' ? bind : undefined, path }]
  return repeated(
    [
      ...(config?.listeners ?? []).flatMap((listener, i) => binds(listener?.bind, 'listeners', i, 'bind')),
      ...binds(config?.admin?.http?.bind, 'admin', 'http', 'bind'),
    ],
    (bind) => `found "${bind}"; another listener has this address and port; choose another port`,
  )
}

const passwordFindings = (
  config: Lenient,
  passwordFileProblem: (file: string) => string | undefined,
): readonly Finding[] =>
  (config?.admin?.http?.users ?? []).flatMap((user, i) => {
    const problem = user?.password_file === undefined ? undefined : passwordFileProblem(user.password_file)
    return problem === undefined ? [] : [{ path: ['admin', 'http', 'users', i, 'password_file'], text: problem }]
  })

type Placed = { readonly value: string | undefined; readonly path: readonly PropertyKey[] }

const repeated = (items: readonly Placed[], message: (value: string) => string): readonly Finding[] => {
  const seen = new Set<string>()
  return items.flatMap(({ value, path }) => {
    if (value === undefined) return []
    if (seen.has(value)) return [{ path, text: message(value) }]
    seen.add(value)
    return []
  })
}
