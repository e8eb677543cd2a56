// Rules over what a listener asks of its datapath: the table of capabilities says what that cannot do.

import * as z from 'zod'
import { type Datapath, datapaths } from '../core/forwarders.ts'
import { refusalsOf, type WrittenAddress } from '../datapath/core/capabilities.ts'
import type { Finding } from './document.ts'
import { listOf, mapping } from './lenient.ts'
import type { Written } from './written.ts'

const listener = z.object({ datapath: z.enum(datapaths).catch('userspace' satisfies Datapath) })
const lenient = mapping({ listeners: listOf(listener.loose().optional().catch(undefined)) })

/** What only another datapath can do, and what two datapaths cannot do to one server. */
export const datapathFindings = (input: unknown, written: Written): readonly Finding[] => {
  const listeners = lenient.parse(input)?.listeners ?? []
  return [...refused(listeners, written), ...confused(listeners, written)]
}

type Listeners = readonly ({ readonly datapath: Datapath } | undefined)[]

/** With direct server return a server has the address itself, to which it sends its answers with the kernel datapath. */
const confused = (listeners: Listeners, { binds, servers }: Written): readonly Finding[] => {
  const by = (listener: number | null, datapath: Datapath): boolean =>
    listener !== null && listeners[listener]?.datapath === datapath
  const serversOf = (listener: number | null): readonly string[] =>
    servers.filter((server) => server.listener === listener).map(({ address }) => address)
  return binds
    .filter(({ listener }) => by(listener, 'kernel'))
    .flatMap(({ address, listener, path }) => {
      const own = serversOf(listener)
      const other = binds.find(
        (bind) =>
          by(bind.listener, 'direct') &&
          bind.address === address &&
          serversOf(bind.listener).some((server) => own.includes(server)),
      )
      if (other === undefined) return []
      const text = `${other.owner} has ${address} with datapath: direct, so that its servers have the address too: they would answer themselves and no client; bind another address, or write the same datapath in both`
      return [{ path, text }]
    })
}

const refused = (listeners: Listeners, { binds, servers }: Written): readonly Finding[] =>
  listeners.flatMap((keys, i) => {
    if (keys === undefined) return []
    const of = (addresses: Written['binds'] | Written['servers']): readonly WrittenAddress[] =>
      addresses.filter((one) => one.listener === i).map(({ address, path }) => ({ address, path: path.slice(2) }))
    return refusalsOf(keys.datapath, { keys, binds: of(binds), servers: of(servers) }).map(({ path, text }) => ({
      path: ['listeners', i, ...path],
      text,
    }))
  })
