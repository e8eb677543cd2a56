// A tracked interface: its link, and its addresses where it ever had any. Link-local ones are no sign of anything: the
// kernel gives an IPv6 one to every link that comes up.

import type { Logger } from 'pino'
import { type Family, familyOf, isLinkLocal } from '../../core/ip-address.ts'
import type { Netlink } from '../../os/netlink.ts'
import { untilQuiet } from '../until-quiet.ts'
import { isSameSight, type Sight, unseen, type Watch } from './source.ts'

/** The kernel tells of every change; this is for what it had no room to tell. */
const lookInterval = 1000
const names: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' }

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
  /** Families it has had addresses of. Where both, IPv4 decides: IPv6 ones come and go with what other routers announce. */
  const had = new Set<Family>()
  let isStopped = false

  const see = async (): Promise<Sight | null> => {
    const found = await netlink.findInterface(name)
    if (!found.ok) return found.code === 'ENODEV' ? { ok: false, text: 'there is no such interface' } : null
    if (!found.value.isUp) return { ok: false, text: 'the link is down' }
    const own = found.value.addresses.filter(({ address }) => !isVirtual(address) && !isLinkLocal(address))
    const has = new Set(own.map(({ address }) => familyOf(address)))
    for (const family of has) had.add(family)
    const needed = (['ipv4', 'ipv6'] as const).find((family) => had.has(family))
    if (needed === undefined || has.has(needed)) return { ok: true, text: '' }
    return { ok: false, text: `it has lost its ${names[needed]} addresses` }
  }
  const { start: look, ended } = untilQuiet(async () => {
    if (isStopped) return
    // A kernel that did not answer in time says nothing about the link.
    const next = await see()
    if (isStopped || next === null || isSameSight(next, sight)) return
    sight = next
    log[next.ok ? 'info' : 'warn']({ interface: name }, `Interface ${name} is ${next.ok ? 'up' : `down: ${next.text}`}`)
    onChange()
  })
  look()
  const ticker = setInterval(look, lookInterval).unref()
  return {
    sight: () => sight,
    look,
    stop: async () => {
      isStopped = true
      clearInterval(ticker)
      await ended()
    },
  }
}
