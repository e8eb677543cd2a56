// Rules over the virtual routes of balancer.yaml: what they live and end with, and what they count for.

import * as z from 'zod'
import { familyOf } from '../core/ip-address.ts'
import { ownerPriority } from '../core/owner-priority.ts'
import type { Finding } from './document.ts'
import { listOf, mapping, repeated, text } from './lenient.ts'
import { parseAddressWithPrefix } from './values.ts'

const number = z.number().optional().catch(undefined)
const addresses = listOf(z.union([z.string(), z.object({ address: z.string() }).transform((one) => one.address)]))
const lenient = mapping({
  vrrp: mapping({
    instances: listOf(
      mapping({
        priority: number,
        virtual_addresses: addresses,
        virtual_addresses_excluded: addresses,
        virtual_routes: listOf(mapping({ to: text, metric: number, track: mapping({ weight: number }) })),
      }),
    ),
  }),
})

type Instance = NonNullable<NonNullable<NonNullable<z.output<typeof lenient>>['vrrp']>['instances'][number]>

/** What cannot work in the virtual routes of a configuration. */
export const routeFindings = (input: unknown): readonly Finding[] =>
  (lenient.parse(input)?.vrrp?.instances ?? []).flatMap((instance, i) =>
    instance === undefined ? [] : findingsOf(instance, ['vrrp', 'instances', i, 'virtual_routes']),
  )

const findingsOf = (instance: Instance, path: readonly PropertyKey[]): readonly Finding[] => {
  const families = new Set(
    [...instance.virtual_addresses, ...instance.virtual_addresses_excluded].flatMap((given) => {
      const parsed = parseAddressWithPrefix(given)
      return parsed === undefined ? [] : [familyOf(parsed.address)]
    }),
  )
  return [
    ...instance.virtual_routes.flatMap((route, i): readonly Finding[] => {
      const to = parseAddressWithPrefix(route?.to)
      if (to === undefined) return []
      const at = (key: string, said: string): Finding => ({ path: [...path, i, key], text: said })
      const isOrphan = families.size > 0 && familyOf(to.address) === 'ipv4' && !families.has('ipv4')
      const isWeighty = instance.priority === ownerPriority && (route?.track?.weight ?? 0) !== 0
      return [
        ...(isOrphan
          ? [at('to', 'an IPv4 route ends with an IPv4 address; put it into an instance that has one')]
          : []),
        ...(isWeighty
          ? [
              at(
                'track',
                'the address owner (priority 255) keeps its priority; write true or false, or lower the priority',
              ),
            ]
          : []),
      ]
    }),
    ...repeated(
      instance.virtual_routes.map((route, i) => {
        const to = parseAddressWithPrefix(route?.to)
        const value = to && `${to.address}/${to.prefixLength} ${route?.metric ?? 'default'}`
        return { value, path: [...path, i, 'to'] }
      }),
      () => 'there is a route to this network with this metric already; write another metric',
    ),
  ]
}
