// A lab: hosts in network namespaces around one switch, a directory, and the promise that nothing is left behind.

import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mustRun } from './command.ts'
import { type Host, plugIn } from './host.ts'
import { boundToOwner, type LabProcess, type SpawnOptions, startProcess } from './lab-process.ts'
import { identify } from './proc.ts'
import { type LabRecord, labVariable, removeRemains, saveRecord, sweepAbandoned } from './remains.ts'

/** A lab of this process. Labs never meet: the same addresses can be used in all of them. */
export type Lab = {
  readonly id: string
  readonly name: string
  /** A directory of the lab's own; programs' logs are in it, and all of it goes with the lab. */
  readonly directory: string
  /** Adds a host to the switch, for example `addHost('db1', '198.18.0.11/24')`. */
  readonly addHost: (name: string, cidr: string) => Promise<Host>
  readonly host: (name: string) => Host
  readonly hosts: () => readonly Host[]
  /** Makes a control group (version 2) below this process's own and returns its directory. */
  readonly addControlGroup: (name: string) => Promise<string>
  /** Starts a program on the machine itself that ends with the lab. */
  readonly spawn: (name: string, command: string, args: readonly string[], options?: SpawnOptions) => LabProcess
  /** Ends all programs (SIGTERM, then SIGKILL) and removes namespaces, mounts and files. May be called again. */
  readonly destroy: () => Promise<void>
}

/** How to make a lab. */
export type LabOptions = {
  readonly name: string
  /** Receives a sentence for each dead lab that was cleaned away; default: standard error. */
  readonly log?: (line: string) => void
  /** Whether SIGINT, SIGTERM and SIGHUP remove the lab and then end this process (default); else the caller does. */
  readonly handleSignals?: boolean
}

const endGrace = 1500
const publicDirectory = 0o755

const living = new Set<LabRecord>()
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const removeLiving = (): void => {
  for (const record of living) removeRemains(record)
  living.clear()
}

const removeAndEnd = (signal: NodeJS.Signals): void => {
  removeLiving()
  for (const name of signals) process.off(name, removeAndEnd)
  process.kill(process.pid, signal)
}

const watchOwner = (handleSignals: boolean): void => {
  if (!process.listeners('exit').includes(removeLiving)) process.on('exit', removeLiving)
  for (const signal of signals) {
    if (handleSignals && !process.listeners(signal).includes(removeAndEnd)) process.on(signal, removeAndEnd)
  }
}

/** A mount of the lab's own: the machine may have this tree elsewhere, read-only or not at all. */
const mountControlGroups = async (tree: string): Promise<string> => {
  mkdirSync(tree)
  await mustRun('mount', ['-t', 'cgroup2', 'cgroup2', tree])
  return tree
}

const startRecord = (name: string): LabRecord => {
  const owner = identify(process.pid)
  if (owner === undefined) throw new Error('/proc does not show this process')
  const id = randomBytes(3).toString('hex')
  return { id, name, owner, directory: join(tmpdir(), `mlab-${id}`), namespaces: [], controlGroups: [] }
}

const makeSwitch = async (namespace: string): Promise<void> => {
  await mustRun('ip', ['netns', 'add', namespace])
  // With snooping on, a bridge without a querier drops VRRP's multicast.
  const commands = ['link add br0 type bridge mcast_snooping 0 stp_state 0', 'link set br0 up']
  await mustRun('ip', ['-n', namespace, '-batch', '-'], { input: commands.join('\n') })
}

/** Makes an empty lab with its switch, after removing what labs of dead owners left. Needs root. */
export const createLab = async ({
  name,
  log = (line) => process.stderr.write(`${line}\n`),
  handleSignals = true,
}: LabOptions): Promise<Lab> => {
  sweepAbandoned().forEach(log)
  const record = startRecord(name)
  const { id, directory } = record
  const namespaceOf = (host: string): string => `mlab-${id}-${host}`
  const switchNamespace = namespaceOf('switch')
  const running = new Set<LabProcess>()
  const hosts = new Map<string, Host>()
  let controlGroups: Promise<string> | undefined

  watchOwner(handleSignals)
  living.add(record)
  const addNamespace = (namespace: string): void => {
    record.namespaces.push(namespace)
    saveRecord(record)
  }
  addNamespace(switchNamespace)
  mkdirSync(directory)
  chmodSync(directory, publicDirectory)
  await makeSwitch(switchNamespace)

  const start = (program: string, words: readonly string[], options: SpawnOptions): LabProcess => {
    if (!living.has(record)) throw new Error(`lab ${id} was destroyed: nothing can be started in it`)
    const env = { ...options.env, [labVariable]: id }
    const labProcess = startProcess(program, words, join(directory, `${program}.log`), { ...options, env })
    running.add(labProcess)
    labProcess.exited.then(() => running.delete(labProcess))
    return labProcess
  }

  return {
    id,
    name,
    directory,
    addHost: async (hostName, cidr) => {
      const namespace = namespaceOf(hostName)
      if (hosts.has(hostName) || existsSync(`/run/netns/${namespace}`)) throw new Error(`there is a host ${hostName}`)
      addNamespace(namespace)
      const host = await plugIn(hostName, cidr, { namespace, switchNamespace, spawn: start })
      hosts.set(hostName, host)
      return host
    },
    host: (hostName) => {
      const host = hosts.get(hostName)
      if (host === undefined)
        throw new Error(`no host ${hostName} in this lab; there are ${[...hosts.keys()].join(', ')}`)
      return host
    },
    hosts: () => [...hosts.values()],
    addControlGroup: async (groupName) => {
      controlGroups ??= mountControlGroups(join(directory, 'control-groups'))
      const tree = await controlGroups
      // A process that was moved into a container from outside sees its own group above the tree, as /../…
      const own = readFileSync('/proc/self/cgroup', 'utf8').match(/^0::(\/(?!\.\.).*)$/m)?.[1] ?? '/'
      const group = join(tree, own, namespaceOf(groupName))
      record.controlGroups.push(group)
      saveRecord(record)
      mkdirSync(group)
      return group
    },
    spawn: (program, command, args, options = {}) => start(program, boundToOwner(command, args, options.user), options),
    destroy: async () => {
      if (!living.has(record)) return
      await Promise.all([...running].map((labProcess) => labProcess.stop(endGrace)))
      removeRemains(record)
      living.delete(record)
    },
  }
}
