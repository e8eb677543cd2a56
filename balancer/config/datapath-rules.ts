// Rules over what a listener asks of its datapath: the table of capabilities says what that cannot do.

import { z } from 'zod'
import { type Datapath, datapaths } from '../core/forwarders.ts'
import { refusalsOf, type WrittenAddress } from '../datapath/core/capabilities.ts'
import type { Finding } from './document.ts'
import { listOf, mapping } from './lenient.ts'
import type { Written } from './written.ts'

const listener = z.object({ datapath: z.enum(datapaths).catch('userspace' satisfies Datapath) })
const lenient = mapping({ listeners: listOf(listener.loose().optional().catch(undefined)) })

/** What only another datapath can do. */
export const datapathFindings = (input: unknown, { binds, servers }: Written): readonly Finding[] =>
  (lenient.parse(input)?.listeners ?? []).flatMap((keys, i) => {
    if (keys === undefined) return []
    const of = (addresses: Written['binds'] | Written['servers']): readonly WrittenAddress[] =>
      addresses.filter((one) => one.listener === i).map(({ address, path }) => ({ address, path: path.slice(2) }))
    return refusalsOf(keys.datapath, { keys, binds: of(binds), servers: of(servers) }).map(({ path, text }) => ({
      path: ['listeners', i, ...path],
      text,
    }))
  })
