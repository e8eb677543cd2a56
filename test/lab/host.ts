// A host of a lab: a network namespace on the lab's switch, the programs in it, and what can happen to it.

import { type CommandOptions, type CommandResult, mustRun, run } from './command.ts'
import { boundToOwner, type LabProcess, type SpawnOptions } from './lab-process.ts'
import { deleteNamespace, killInNamespaces } from './remains.ts'

/** One host. Its interface is `eth0`; `hostname` in its programs is its name. */
export type Host = {
  readonly name: string
  /** Its own address, without the prefix length. */
  readonly address: string
  /** The network namespace's name, for `ip -n` and `nsenter --net=/run/netns/…`. */
  readonly namespace: string
  /** All global addresses on the host right now, with prefix length. */
  readonly addresses: () => Promise<readonly string[]>
  /** Runs a command to its end inside the host. */
  readonly run: (command: string, args: readonly string[], options?: CommandOptions) => Promise<CommandResult>
  /** Starts a program inside the host. */
  readonly spawn: (name: string, command: string, args: readonly string[], options?: SpawnOptions) => LabProcess
  /** Pulls the cable: the switch port goes down. */
  readonly cutLink: () => Promise<void>
  readonly restoreLink: () => Promise<void>
  /** The switch forwards nothing between isolated hosts, while their links stay up: a partition, and its healing. */
  readonly isolate: (isolated: boolean) => Promise<void>
  /** Every process of the host is killed at once; its link stays up. */
  readonly killAll: () => Promise<void>
  /** The link goes down at once, then every process of the host is killed. Its addresses and rules stay unseen. */
  readonly powerCut: () => Promise<void>
  /** The host comes back as after a boot: its own address, nothing else. Programs have to be started anew. */
  readonly powerOn: () => Promise<void>
}

/** What a host needs from its lab. */
export type HostSite = {
  readonly switchNamespace: string
  readonly namespace: string
  readonly spawn: (name: string, words: readonly string[], options: SpawnOptions) => LabProcess
}

// Interface names have at most 15 characters.
const hostName = /^[a-z][a-z0-9-]{0,13}$/

// A UTS namespace of its own per program: `hostname` is what it would be on a real host, and nothing is left to remove.
const nameHost = 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"'

const wire = async (name: string, cidr: string, { namespace, switchNamespace }: HostSite): Promise<void> => {
  await mustRun('ip', ['netns', 'add', namespace])
  const inHost = [
    `link add eth0 type veth peer name ${name} netns ${switchNamespace}`,
    `address add ${cidr} dev eth0`,
    'link set lo up',
    'link set eth0 up',
  ]
  await mustRun('ip', ['-n', namespace, '-batch', '-'], { input: inHost.join('\n') })
  await mustRun('ip', ['-n', switchNamespace, 'link', 'set', 'dev', name, 'master', 'br0', 'up'])
}

/** Makes the namespace, plugs it into the switch and returns the host. `cidr` is its address with prefix length. */
export const plugIn = async (name: string, cidr: string, site: HostSite): Promise<Host> => {
  if (!hostName.test(name)) throw new Error(`"${name}" is no host name: a letter, then up to 13 of a-z, 0-9 and -`)
  const { namespace, switchNamespace } = site
  const net = `--net=/run/netns/${namespace}`
  await wire(name, cidr, site)
  const setPort = async (state: 'up' | 'down'): Promise<void> => {
    await mustRun('ip', ['-n', switchNamespace, 'link', 'set', 'dev', name, state])
  }
  return {
    name,
    address: cidr.replace(/\/.*/, ''),
    namespace,
    addresses: async () => {
      const text = await mustRun('ip', ['-n', namespace, '-oneline', 'address', 'show', 'scope', 'global'])
      return [...text.matchAll(/ inet6? (\S+)/g)].map(([, address = '']) => address)
    },
    run: (command, args, options) => run('nsenter', [net, '--', command, ...args], options),
    spawn: (program, command, args, options = {}) => {
      const words = ['nsenter', net, '--', 'unshare', '--uts', '--', 'sh', '-c', nameHost, name]
      return site.spawn(`${name}-${program}`, [...words, ...boundToOwner(command, args, options.user)], options)
    },
    cutLink: () => setPort('down'),
    restoreLink: () => setPort('up'),
    isolate: async (isolated) => {
      const words = ['type', 'bridge_slave', 'isolated', isolated ? 'on' : 'off']
      await mustRun('ip', ['-n', switchNamespace, 'link', 'set', 'dev', name, ...words])
    },
    killAll: async () => {
      killInNamespaces([namespace])
    },
    powerCut: async () => {
      await setPort('down')
      killInNamespaces([namespace])
    },
    powerOn: async () => {
      // The kernel removes a namespace's interfaces later; the port must be free before it is made again.
      await run('ip', ['-n', switchNamespace, 'link', 'delete', 'dev', name])
      deleteNamespace(namespace)
      await wire(name, cidr, site)
    },
  }
}
