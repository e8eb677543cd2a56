// Where the sessions of a listener are while its address is on another balancer: a backup counts none, and is not idle.

import { addressOf } from '../../../core/endpoint.ts'
import type { ListenerStatus, RouterStatus, Status } from '../model/status.ts'

/** A line for each virtual router that is not master here and has addresses of listeners. */
export const elsewhereLines = ({ vrrp, listeners }: Pick<Status, 'vrrp' | 'listeners'>): readonly string[] =>
  vrrp.flatMap((router) => {
    if (router.state === 'master' || router.state === 'init') return []
    const away = listeners.filter((listener) => isReachedBy(listener, router)).map(({ name }) => name)
    return away.length === 0 ? [] : [`${away.join(', ')}: ${whereText(router)}`]
  })

const whereText = ({ name, state, last_advertisement: heard }: RouterStatus): string => {
  const here = `${name} is ${state.toUpperCase()} here`
  return state === 'backup' && heard !== null
    ? `${here}; sessions are on the master, ${heard.from}: ask there`
    : `${here}; sessions are on the balancer that is master: ask there`
}

/** Whether clients reach all of a listener by addresses of this router. */
const isReachedBy = ({ binds }: ListenerStatus, { virtual_addresses: addresses }: RouterStatus): boolean =>
  binds.length > 0 && binds.every(({ address }) => addresses.includes(addressOf(address)))
