// What an operator orders to end in the kernel datapath: which marks and which flows are meant, and what came of it.

import { addressBytes } from '../../core/ip-address.ts'
import { mergeEnded, type SessionsEnded, type SessionsToEnd } from '../../pool/core/session-order.ts'
import type { Endings } from './endings.ts'
import type { RunningListeners } from './listeners.ts'

/** Ends them; see `RunningDatapath`. */
export const endOrdered = async (
  end: SessionsToEnd,
  listeners: Pick<RunningListeners, 'all' | 'namesOf'>,
  endings: Pick<Endings, 'order'>,
): Promise<SessionsEnded> => {
  const orders =
    end.by === 'client'
      ? [endings.order(null, isOfClient(end))]
      : listeners
          .all()
          .filter((listener) => listener.config().name === end.listener)
          .flatMap((listener) => listener.marksNamed(end.server))
          .map((mark) => endings.order(mark))
  /** A server that a reload took away has no name any more but the one that was asked for. */
  const placeOf = (mark: number) => (end.by === 'server' ? end : (listeners.namesOf(mark) ?? unknown))
  const answers = (await Promise.all(orders)).map(({ ended, outcome }) => ({
    ended: [...ended].map(([mark, sessions]) => {
      const { listener, server } = placeOf(mark)
      return { listener, server, sessions }
    }),
    troubles: outcome.ok ? [] : [`of those that the kernel forwards some may go on: ${outcome.text}`],
  }))
  return mergeEnded(answers)
}

/** Of a listener that is just going. */
const unknown = { listener: '?', server: '?' }

const isOfClient = ({ address, port }: Extract<SessionsToEnd, { by: 'client' }>) => {
  const bytes = Uint8Array.from(addressBytes(address))
  return ({ source, sourcePort }: { readonly source: Uint8Array; readonly sourcePort: number }): boolean =>
    (port ?? sourcePort) === sourcePort && Buffer.compare(source, bytes) === 0
}
