// What happens to a pair that forwards directly, and when it is over: both balancers serve, and know what the other one knows.

import type { Host } from '../lab/host.ts'
import { familyOf, identify, signalProcess } from '../lab/proc.ts'
import { type BalancerHost, instanceName } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { untilServes } from './kernel-events.ts'
import { ofInstance, type Pair } from './pair.ts'

/** Events of a pair. Each returns when both balancers are as before. */
export type DirectEvents = {
  /** The master's host loses its power and comes back as backup; `restore` starts there what is not the balancer. */
  readonly powerCut: (beside?: {
    readonly onCut?: () => void
    readonly restore?: (host: Host) => Promise<unknown>
  }) => Promise<void>
  readonly handOver: () => Promise<void>
  /** Every process of the master's balancer at once; it is started again. */
  readonly killAll: () => Promise<void>
  /** The same order to both balancers. */
  readonly order: (line: string) => Promise<void>
  readonly untilConnected: () => Promise<void>
}

/** A look at all flows, and the way of what it finds to the other one. */
const tellMillis = 1500

/** Has no router preempt the other one. */
export const directEvents = async (pair: Pair): Promise<DirectEvents> => {
  const { site, edit, ask } = pair
  for (const balancer of site.balancers) {
    await edit(balancer, (document) => document.setIn(ofInstance('preempt'), false))
  }
  const untilMoved = async (from: BalancerHost): Promise<BalancerHost> =>
    waitFor('another one to hold the address', async () => {
      const others = site.balancers.filter((one) => one !== from)
      const held = await Promise.all(others.map((one) => one.holdsAddress()))
      return others[held.indexOf(true)]
    })
  const untilConnected = async (): Promise<void> => {
    for (const balancer of site.balancers) {
      await waitFor(`${balancer.host.name} to be connected`, async () => {
        const answer = await ask(balancer, 'show peers')
        if (!/ connected /.test(answer) || answer.includes('NOT CONNECTED')) throw new Error(answer)
        return true
      })
    }
  }
  const settle = async (): Promise<void> => {
    for (const balancer of site.balancers) await untilServes(balancer)
    await untilConnected()
    await new Promise((resolve) => setTimeout(resolve, tellMillis))
  }
  return {
    untilConnected,
    powerCut: async ({ onCut, restore } = {}) => {
      const master = await site.holder()
      await master.host.powerCut()
      onCut?.()
      await untilMoved(master)
      await master.host.powerOn()
      await restore?.(master.host)
      await master.start()
      await settle()
    },
    handOver: async () => {
      const master = await site.holder()
      await ask(master, `vrrp ${instanceName} handover`)
      await pair.untilHeldBy(await untilMoved(master))
      await ask(master, `vrrp ${instanceName} ready`)
      await settle()
    },
    killAll: async () => {
      const master = await site.holder()
      const family = familyOf(master.process().pid).flatMap((pid) => identify(pid) ?? [])
      for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const one of family) signalProcess(one, signal)
      await master.process().exited
      const next = await untilMoved(master)
      await master.start()
      await pair.untilHeldBy(next)
      await settle()
    },
    order: async (line) => {
      for (const balancer of site.balancers) await ask(balancer, line)
      await new Promise((resolve) => setTimeout(resolve, tellMillis))
    },
  }
}
