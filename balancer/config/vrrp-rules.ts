// Rules over several keys of the vrrp part of balancer.yaml. They read the raw input leniently, as all rules do.

import { z } from 'zod'
import type { Finding } from './document.ts'
import { listOf, mapping, repeated, repeatedNames, text } from './lenient.ts'
import { durationMillis } from './values.ts'

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
})

type Instance = NonNullable<NonNullable<z.output<typeof lenient>>['vrrp']>['instances'][number]

/** What contradicts itself in the virtual routers of a configuration. */
export const vrrpFindings = (input: unknown): readonly Finding[] => {
  const instances = lenient.parse(input)?.vrrp?.instances ?? []
  return [
    ...repeatedNames(instances, 'vrrp', 'instances'),
    ...instances.flatMap(intervalFindings),
    ...virtualRouterFindings(instances),
  ]
}

const maximumIntervalOfVersion3 = 40_950

const intervalFindings = (instance: Instance, i: number): readonly Finding[] => {
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
}

const virtualRouterFindings = (instances: readonly Instance[]): readonly Finding[] =>
  repeated(
    instances.map((instance, i) => ({
      value: instance && `${instance.interface} ${instance.virtual_router_id}`,
      path: ['vrrp', 'instances', i, 'virtual_router_id'],
    })),
    () => 'another instance has the same virtual_router_id on the same interface; choose another number',
  )
