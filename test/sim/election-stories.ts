// One story per rule of elections, addresses and faults.

import { millis } from '../../balancer/core/time.ts'
import { masterAndBackup, next, type Story, settle, settling, usual, wait } from './story.ts'

/** How one becomes master and another does not. */
export const elections: readonly Story[] = [
  {
    name: 'start',
    rule: 'Everyone starts as backup and listens. The highest priority has the shortest skew time and becomes master.',
    routers: [{ priority: 150 }, { priority: 100 }, { priority: 50 }],
    play: settle,
  },
  {
    name: 'power-cut',
    rule: 'A master that dies without a word is missed after the master down interval: three adverts and the skew time.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1 loses its power', hosts[0].crash, 4500)
    },
  },
  {
    name: 'preempt',
    rule: 'A router of higher priority takes over a skew time after it has heard a lower master: the highest goes first.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      hosts[1].boot(false)
      wait(lan, settling)
      next(lan, 'lb1 is switched on', () => hosts[0].boot(false), 4500)
    },
  },
  {
    name: 'nopreempt',
    rule: 'Without preempt a router of higher priority follows the lower master that is there.',
    routers: [{ priority: 150, preempt: false }, { priority: 100 }],
    play: (lan, hosts) => {
      hosts[1].boot(false)
      wait(lan, settling)
      next(lan, 'lb1 is switched on', () => hosts[0].boot(false), 4500)
    },
  },
  {
    name: 'preempt-delay',
    rule: 'With a preempt delay the lower master is followed for a while first.',
    routers: [{ priority: 150, preemptDelay: millis(3000) }, { priority: 100 }],
    play: (lan, hosts) => {
      hosts[1].boot(false)
      wait(lan, settling)
      next(lan, 'lb1 is switched on', () => hosts[0].boot(false), 8000)
    },
  },
  {
    name: 'tie',
    rule: 'Of two masters with equal priority the one with the larger address stays.',
    routers: [{}, {}],
    play: (lan, hosts) => {
      lan.split((host) => (host === hosts[0] ? 1 : 2))
      settle(lan, hosts)
      next(lan, 'the network is whole again', () => lan.split(() => 1), 1500)
    },
  },
  {
    name: 'address-owner',
    rule: 'The address owner (priority 255) is master at once, and preempts whatever preempt says.',
    routers: [{ priority: 255, preempt: false }, { priority: 100 }],
    play: (lan, hosts) => {
      hosts[1].boot(false)
      wait(lan, settling)
      next(lan, 'lb1 is switched on', () => hosts[0].boot(false), 1500)
    },
  },
  {
    name: 'two-owners',
    rule: 'Two address owners are a configuration error. It is logged; the smaller address yields.',
    routers: [{ priority: 255 }, { priority: 255 }],
    play: (lan, hosts) => {
      for (const host of hosts) host.boot(false)
      wait(lan, 1500)
    },
  },
  {
    name: 'stalled-master',
    rule: 'A master that was suspended for longer than its master down interval gives up its addresses before it says a word.',
    routers: [
      { priority: 150, preempt: false },
      { priority: 100, preempt: false },
    ],
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1 is suspended', hosts[0].stall, 5000)
      next(lan, 'and resumed', hosts[0].wake, 1500)
    },
  },
  {
    name: 'link-lost',
    rule: 'A router without a link is in fault: it says nothing and holds nothing. With the link it begins as backup.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'the cable of lb1 is pulled', () => hosts[0].setLink('down'), 4500)
      next(lan, 'and put back', () => hosts[0].setLink('up'), 5000)
    },
  },
  {
    name: 'address-lost',
    rule: 'An address that something else removes comes back at once, is announced again, and nobody elects anybody.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'somebody removes the address from lb1', hosts[0].dropAddress, 1500)
    },
  },
  {
    name: 'addresses-refused',
    rule: 'A master that cannot get its addresses is in fault and tries again later; the other one takes over.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      hosts[0].boot(false)
      wait(lan, 3000)
      next(lan, 'the kernel of every host refuses addresses', () => lan.refuseAddresses(true), 1500)
      lan.refuseAddresses(false)
      next(lan, 'no longer; lb2 is switched on', () => hosts[1].boot(false), 8000)
    },
  },
  {
    name: 'master-interval',
    rule: 'Version 3: a backup uses the interval that the master announces, whatever its own is.',
    routers: [
      { priority: 150, interval: millis(500) },
      { priority: 100, interval: millis(2000) },
    ],
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1 loses its power', hosts[0].crash, 3000)
    },
  },
  {
    name: 'resume',
    rule: 'A vrrp process that dies and is restarted before it is missed goes on as the master it was.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'the process on lb1 is killed', hosts[0].crash, 200)
      next(lan, 'and restarted', () => hosts[0].boot(true), 1500)
    },
  },
  {
    name: 'unheard',
    rule: 'A master whose adverts do not go out stays while it is alone. It yields to whoever took over, and preempts nobody then.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      hosts[0].boot(false)
      wait(lan, settling)
      next(lan, 'the packet filter of lb1 lets no advert out', () => hosts[0].mute(true), 5000)
      next(lan, 'lb2 is switched on', () => hosts[1].boot(false), 6000)
      next(
        lan,
        'the packet filter of lb1 is mended, and an operator calls it ready',
        () => {
          hosts[0].mute(false)
          hosts[0].learn({ event: 'handover-revoked' })
        },
        3000,
      )
    },
  },
  {
    name: 'sync-group-hold',
    rule: 'A router whose sync group cannot take part resigns, waits in fault, and begins as backup when the group is well.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      const reason = 'sync group G1: VI_2 is in fault'
      next(
        lan,
        'another member of the group on lb1 is in fault',
        () => hosts[0].learn({ event: 'hold-changed', reason }),
        2000,
      )
      next(lan, 'and well again', () => hosts[0].learn({ event: 'hold-changed', reason: null }), 4500)
    },
  },
  {
    name: 'reconfigured',
    rule: 'A new configuration does not start an election: a master sets its addresses and tells the others at once.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      const settings = { ...usual, name: 'lb1', priority: 120 }
      next(lan, 'the priority of lb1 becomes 120', () => hosts[0].learn({ event: 'reconfigured', settings }), 2500)
    },
  },
  {
    name: 'reconfigured-waiting',
    rule: 'Nor does it put one off: a backup that misses its master goes on missing it.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1 loses its power', hosts[0].cutPower, 2500)
      next(lan, 'lb2 is given its configuration anew', () => hosts[1].reload(null), 2500)
    },
  },
]
