// One story per rule of hand-overs: who goes, who stays, and what becomes of the addresses meanwhile.

import type { SimulatedHost } from './host.ts'
import type { Lan } from './lan.ts'
import { masterAndBackup, next, type Story, settle, settling, wait } from './story.ts'

type Hosts = readonly [SimulatedHost, SimulatedHost, ...SimulatedHost[]]

/** The second is master first, so that the first has heard it when it takes over. */
const meet = (lan: Lan, hosts: Hosts): void => {
  hosts[1].boot(false)
  wait(lan, settling)
  hosts[0].boot(false)
  wait(lan, settling)
}
const secondDoesNotPreempt = [{ priority: 150 }, { priority: 100, preempt: false }] as const
const nothing = (): void => undefined

/** How a master goes, and how it stays. */
export const handovers: readonly Story[] = [
  {
    name: 'clean-stop',
    rule: 'A master that stops sends priority 0 and keeps its addresses, hidden, until the next master is heard; a last priority 0 has that one announce them again.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1 is stopped', () => hosts[0].shutDown(nothing), 1500)
    },
  },
  {
    name: 'clean-stop-alone',
    rule: 'If nobody comes for them, a master that stops keeps its addresses for a master down interval and no longer than 5 s.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb2 loses its power', hosts[1].cutPower, 500)
      next(lan, 'lb1 is stopped', () => hosts[0].shutDown(nothing), 4500)
    },
  },
  {
    name: 'weighted-failure',
    rule: 'A changed effective priority is advertised at once, and a backup that is better now takes over a skew time later.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'a check on lb1 fails and takes 60 off its priority', () => hosts[0].weigh(90), 2500)
      next(lan, 'and succeeds again', () => hosts[0].weigh(null), 2500)
    },
  },
  {
    name: 'weighted-failure-three',
    rule: 'Of several backups that are better now the best goes first: its skew time is the shortest.',
    routers: [{ priority: 150 }, { priority: 100 }, { priority: 120 }],
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'a check on lb1 fails and takes 60 off its priority', () => hosts[0].weigh(90), 2500)
    },
  },
  {
    name: 'yield',
    rule: 'A master that falls below a priority it has heard yields with priority 0: also one that does not preempt takes over then.',
    routers: secondDoesNotPreempt,
    play: (lan, hosts) => {
      meet(lan, hosts)
      next(lan, 'a check on lb1 fails and takes 60 off its priority', () => hosts[0].weigh(90), 2500)
    },
  },
  {
    name: 'yield-unanswered',
    rule: 'A yield that nobody answers ends with the same master, which does not yield to the same router again.',
    routers: secondDoesNotPreempt,
    play: (lan, hosts) => {
      meet(lan, hosts)
      next(lan, 'lb2 loses its power', hosts[1].cutPower, 500)
      next(lan, 'a check on lb1 fails and takes 60 off its priority', () => hosts[0].weigh(90), 4500)
      next(lan, 'another one takes 20 more', () => hosts[0].weigh(70), 1500)
    },
  },
  {
    name: 'yield-recovered',
    rule: 'A master whose priority recovers in the middle of a yield stays.',
    routers: secondDoesNotPreempt,
    play: (lan, hosts) => {
      meet(lan, hosts)
      next(lan, 'a check on lb1 fails and takes 60 off its priority', () => hosts[0].weigh(90), 300)
      next(lan, 'and succeeds again', () => hosts[0].weigh(null), 2500)
    },
  },
  {
    name: 'crossed-priorities',
    rule: 'A backup that was about to take over and falls itself has to hear anew that the master is lower.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'a check on lb1 fails and takes 60 off its priority', () => hosts[0].weigh(90), 300)
      next(lan, 'the same one fails on lb2', () => hosts[1].weigh(40), 2500)
    },
  },
  {
    name: 'handover',
    rule: 'A master that was ordered to hand over does so to anyone, and does not preempt until it may again.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1: balancer vrrp VI_1 handover', () => hosts[0].learn({ event: 'handover-ordered' }), 2500)
      next(lan, 'lb1: balancer vrrp VI_1 ready', () => hosts[0].maintain(false), 2500)
    },
  },
  {
    name: 'handover-needed',
    rule: 'A router that stands back after an order takes over all the same when no other master is left.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1: balancer vrrp VI_1 handover', () => hosts[0].learn({ event: 'handover-ordered' }), 2500)
      next(lan, 'lb2 loses its power', hosts[1].cutPower, 4500)
    },
  },
  {
    name: 'handover-unanswered',
    rule: 'A master that was ordered to hand over stays if nobody comes.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb2 loses its power', hosts[1].cutPower, 500)
      next(lan, 'lb1: balancer vrrp VI_1 handover', () => hosts[0].learn({ event: 'handover-ordered' }), 4500)
    },
  },
  {
    name: 'maintenance',
    rule: 'Maintenance is a fault with time to hand over: the addresses stay until they are taken, then the router takes no part.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1: balancer vrrp VI_1 maint', () => hosts[0].maintain(true), 2500)
      next(lan, 'lb1: balancer vrrp VI_1 ready', () => hosts[0].maintain(false), 2500)
    },
  },
  {
    name: 'unplanned-fault',
    rule: 'A host that does not serve any more gives its addresses up at once, after the priority 0 that shortens the gap to a skew time.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'a check with weight 0 fails on lb1', () => hosts[0].fail('chk_disk fails'), 2500)
      next(lan, 'and succeeds again', () => hosts[0].fail(null), 2500)
    },
  },
  {
    name: 'stalled-leaving',
    rule: 'A master that was suspended while it handed over does not stay, even if it has heard nobody: it listens first.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'the network splits', () => lan.split((host) => (host === hosts[0] ? 1 : 2)), 100)
      next(lan, 'lb1: balancer vrrp VI_1 handover', () => hosts[0].learn({ event: 'handover-ordered' }), 500)
      next(lan, 'lb1 is suspended', hosts[0].stall, 8000)
      next(lan, 'and resumed', hosts[0].wake, 500)
      next(lan, 'the network is whole again', () => lan.split(() => 1), 2500)
    },
  },
]
