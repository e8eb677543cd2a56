// Servers that are still prepared for direct server return, where a listener has another datapath by now. PURE.

import { addressOf, type Endpoint } from '../../core/endpoint.ts'
import type { Finding } from './listener-fact.ts'

/** What decides. */
export type AnsweredListener = { readonly datapath: string; readonly bind: readonly Endpoint[] }

/** The addresses that a server and a listener have both. */
const shared = (bind: AnsweredListener['bind'], answersFor: readonly string[]): readonly string[] =>
  [...new Set(bind.map(({ address }) => address))].filter((address) => answersFor.includes(address))

/**
 * What is to be said of a server that has the listener's own addresses, by its agent's word; null where nothing is. The kernel
 * datapath sends from these, and a host drops what comes from an address of its own. In user space they do not matter.
 */
export const ownAnswers = (
  { datapath, bind }: AnsweredListener,
  server: string,
  answersFor: readonly string[] | undefined,
): Finding | null => {
  const addresses = datapath === 'kernel' ? shared(bind, answersFor ?? []) : []
  return addresses.length === 0 ? null : { server, text: `${hasThem(addresses)}: ${wayOut} there` }
}

/** A listener that runs, and its servers. */
export type RunningDirect = {
  readonly datapath: string
  readonly binds: readonly { readonly address: string }[]
  readonly servers: readonly { readonly name: string; readonly address: string; readonly up: boolean }[]
}

/**
 * The same of a configuration that is not applied yet: servers that are up with `datapath: direct` now are prepared. Addresses of
 * what runs are `address:port`. Null where nothing is to be said.
 */
export const ownAnswersToCome = (
  { name, datapath, bind, servers }: AnsweredListener & { readonly name: string; readonly servers: readonly string[] },
  running: readonly RunningDirect[],
): string | null => {
  if (datapath !== 'kernel') return null
  const hosts = servers.map(addressOf)
  const found = running
    .filter((one) => one.datapath === 'direct')
    .flatMap((one) => {
      const addresses = shared(
        bind,
        one.binds.map(({ address }) => addressOf(address)),
      )
      const prepared = one.servers.filter(({ address, up }) => up && hosts.includes(addressOf(address)))
      return prepared.flatMap((server) => addresses.map((address) => ({ server: server.name, address })))
    })
  if (found.length === 0) return null
  const names = [...new Set(found.map(({ server }) => server))].join(', ')
  const addresses = [...new Set(found.map(({ address }) => address))]
  return `listener ${name}: each of ${names} ${hasThem(addresses)}: with the reload, ${wayOut} on each`
}

const hasThem = (addresses: readonly string[]): string =>
  `has ${addresses.join(' and ')} itself, as datapath: direct wants it, and answers no client of datapath: kernel`
const wayOut = 'run systemctl disable --now mysqlchk-agent-direct-return'
