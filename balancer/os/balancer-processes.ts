// The processes of balancers in the network of this process: who runs, and whom a dead supervisor left.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A process of a balancer, by its title: `supervisor`, `vrrp`, `director`, `proxy`. */
export type BalancerProcess = { readonly pid: number; readonly parent: number; readonly role: string }

const title = /^balancer: ([a-z]+)\0/

/** Those that run in this network namespace, without this process. A network of its own is another host. */
export const balancerProcesses = (): readonly BalancerProcess[] => {
  const own = readlinkSync('/proc/self/ns/net')
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .flatMap((pid) => lookAt(pid, own))
}

const lookAt = (pid: number, network: string): readonly BalancerProcess[] => {
  try {
    const [, role] = title.exec(`${readFileSync(`/proc/${pid}/cmdline`, 'latin1')}\0`) ?? []
    if (role === undefined || readlinkSync(`/proc/${pid}/ns/net`) !== network) return []
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? [] : [{ pid, parent: Number(parent), role }]
  } catch {
    // It is gone, or somebody else's.
    return []
  }
}
