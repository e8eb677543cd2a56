// A tracked interface: its link, and its addresses where it ever had any.

import type { Logger } from 'pino'
import type { Netlink } from '../../os/netlink.ts'
import { isSameSight, type Sight, unseen, type Watch } from './source.ts'

/** The kernel tells of every change; this is for what it had no room to tell. */
const lookInterval = 1000

/** A watched interface; `look` is for when something on the network of this host may have changed. */
export type InterfaceWatch = Watch & { readonly look: () => void }

/** Starts to watch an interface. `isVirtual`: such addresses come and go with VRRP itself. */
export const watchInterface = (
  name: string,
  netlink: Pick<Netlink, 'findInterface'>,
  isVirtual: (address: string) => boolean,
  log: Logger,
  onChange: () => void,
): InterfaceWatch => {
  let sight: Sight = unseen
  let hadAddress = false
  let isStopped = false
  let looking: Promise<void> | null = null
  let again = false

  const see = async (): Promise<Sight | null> => {
    const found = await netlink.findInterface(name)
    if (!found.ok) return found.code === 'ENODEV' ? { ok: false, text: 'there is no such interface' } : null
    if (!found.value.isUp) return { ok: false, text: 'the link is down' }
    const hasAddress = found.value.addresses.some(({ address }) => !isVirtual(address))
    hadAddress ||= hasAddress
    return hasAddress || !hadAddress ? { ok: true, text: '' } : { ok: false, text: 'it has lost its addresses' }
  }
  const lookUntilQuiet = async (): Promise<void> => {
    do {
      again = false
      // A kernel that did not answer in time says nothing about the link.
      const next = await see()
      if (isStopped || next === null || isSameSight(next, sight)) continue
      sight = next
      log[next.ok ? 'info' : 'warn'](
        { interface: name },
        `Interface ${name} is ${next.ok ? 'up' : `down: ${next.text}`}`,
      )
      onChange()
    } while (again && !isStopped)
  }
  const look = (): void => {
    again = true
    looking ??= lookUntilQuiet().finally(() => {
      looking = null
    })
  }
  look()
  const ticker = setInterval(look, lookInterval).unref()
  return {
    sight: () => sight,
    look,
    stop: async () => {
      isStopped = true
      clearInterval(ticker)
      await looking
    },
  }
}
