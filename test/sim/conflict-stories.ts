// One story per rule of two masters: who yields and tells, who is another group, and who is configured otherwise.

import { otherAddresses, usualAddresses } from './lan.ts'
import { masterAndBackup, next, type Story, settle, settling, wait } from './story.ts'

/** How two that could be master at once are not, or no longer. */
export const conflicts: readonly Story[] = [
  {
    name: 'split-brain',
    rule: 'Two masters after a partition: the higher contradicts at once and announces its addresses again, the lower yields.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'the network splits', () => lan.split((host) => (host === hosts[0] ? 1 : 2)), 5000)
      next(lan, 'the network is whole again', () => lan.split(() => 1), 1500)
    },
  },
  {
    name: 'split-brain-silent',
    rule: 'One that hears the better master first says a last word: clients may know the address at it, and the better one announces it anew.',
    routers: masterAndBackup,
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'the network splits', () => lan.split((host) => (host === hosts[0] ? 1 : 2)), 5300)
      next(lan, 'the network is whole again', () => lan.split(() => 1), 1500)
    },
  },
  {
    name: 'another-group',
    rule: 'Who has our number and other addresses is another group: whatever it says, neither master nor backup follows it.',
    routers: [{ priority: 150 }, { priority: 100 }, { priority: 200 }],
    special: [{}, {}, { addresses: otherAddresses }],
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'lb1 loses its power', hosts[0].cutPower, 4500)
      next(lan, 'lb3, of the other group, is stopped', () => lan.hosts[2]?.shutDown(() => undefined), 4500)
    },
  },
  {
    name: 'new-addresses',
    rule: 'A master that is given other addresses leaves those who have the old ones. The next one finds it there, and follows it at once.',
    routers: masterAndBackup,
    special: [{ addresses: usualAddresses }, { addresses: usualAddresses }],
    play: (lan, hosts) => {
      settle(lan, hosts)
      next(lan, 'a reload gives lb1 other addresses', () => hosts[0].readdress(otherAddresses), 2500)
      next(lan, 'and lb2 the same', () => hosts[1].readdress(otherAddresses), 2500)
    },
  },
  {
    name: 'other-version',
    rule: 'A master of the other version cannot hear us: we stay backup while it speaks, and say that it is an error.',
    routers: [{ priority: 150 }, { priority: 100, version: 2 }],
    play: (lan, hosts) => {
      lan.split((host) => (host === hosts[0] ? 1 : 2))
      settle(lan, hosts)
      next(lan, 'the network is whole again', () => lan.split(() => 1), 2500)
      next(lan, 'lb1 loses its power', hosts[0].crash, 4500)
    },
  },
  {
    name: 'unlisted-peer',
    rule: 'One that is not among the unicast peers and claims our addresses hears nothing of us: we stay backup while it speaks.',
    routers: [{ priority: 100 }, { priority: 150 }],
    special: [{ peers: ['198.18.0.2'] }, { peers: ['198.18.0.9'] }],
    play: (lan, hosts) => {
      hosts[0].boot(false)
      wait(lan, settling)
      next(lan, 'lb2 is switched on, with a list of peers that is wrong', () => hosts[1].boot(false), 5000)
      next(lan, 'lb1 is stopped', () => hosts[0].shutDown(() => undefined), 2500)
    },
  },
]
