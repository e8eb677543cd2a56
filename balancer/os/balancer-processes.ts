// The processes of balancers in the network of this process: who runs, and whom a dead supervisor left.

import { networkOf, processIds, readProc } from './proc.ts'

/** A process of a balancer, by its title: `supervisor`, or what a child does, such as `vrrp`. */
export type BalancerProcess = { readonly pid: number; readonly parent: number; readonly role: string }

const title = /^balancer: ([a-z]+)\0/

/** Those that run in this network namespace, without this process. A network of its own is another host. */
export const balancerProcesses = (): readonly BalancerProcess[] => {
  const own = networkOf('self')
  return processIds()
    .filter((pid) => pid !== process.pid)
    .flatMap((pid) => lookAt(pid, own))
}

const lookAt = (pid: number, network: string | undefined): readonly BalancerProcess[] => {
  const [, role] = title.exec(`${readProc(`${pid}/cmdline`)}\0`) ?? []
  if (role === undefined || networkOf(pid) !== network) return []
  const stat = readProc(`${pid}/stat`)
  const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ['', 'Z', 'X'].includes(state) ? [] : [{ pid, parent: Number(parent), role }]
}
