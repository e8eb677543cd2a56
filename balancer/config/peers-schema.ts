// The other balancers: where connections come in and go to, and the key that all have.

import * as z from 'zod'
import { isUnspecified } from '../core/address-kind.ts'
import { endpoint, whyNoEndpoint } from './endpoint-values.ts'
import { path } from './shapes.ts'

const ownEndpoint = endpoint((address) => {
  const objection = isUnspecified(address)
    ? 'is no address that others could know this balancer by'
    : whyNoEndpoint(address)
  return objection === null ? null : `${objection}; write the address of this host that the others have in their list`
})

const otherEndpoint = endpoint((address) => {
  const objection = whyNoEndpoint(address)
  return objection === null ? null : `${objection}; write the address of another balancer`
})

/** `peers`. */
export const peersSchema = z.strictObject({
  key_file: path,
  listen: ownEndpoint,
  to: z.array(otherEndpoint).min(1, { error: 'name the other balancers' }).max(16),
})

/** As configured; `key` is made of the file's content, in base64, and there when the configuration was read from a file. */
export type PeersConfig = z.output<typeof peersSchema> & { readonly key?: string }
