// What /proc says about processes: who lives, since when, in which network namespace, whose child.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'

/** A process that cannot be taken for a later one with the same number; `startTicks` counts clock ticks since boot. */
export type ProcessIdentity = { readonly pid: number; readonly startTicks: number }

type Stat = { readonly state: string; readonly parent: number; readonly startTicks: number }

const stateField = 0
const parentField = 1
const startTimeField = 19

const statOf = (pid: number): Stat | undefined => {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The command's name stands in parentheses and may itself contain spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    state: fields[stateField] ?? '',
    parent: Number(fields[parentField]),
    startTicks: Number(fields[startTimeField]),
  }
}

const isDead = (stat: Stat): boolean => stat.state === 'Z' || stat.state === 'X'

/** The process with this number, or undefined if there is none. One that only waits to be reaped is dead. */
export const identify = (pid: number): ProcessIdentity | undefined => {
  const stat = statOf(pid)
  return stat === undefined || isDead(stat) ? undefined : { pid, startTicks: stat.startTicks }
}

/** Whether exactly this process still lives. */
export const isAlive = ({ pid, startTicks }: ProcessIdentity): boolean => identify(pid)?.startTicks === startTicks

/** Sends a signal to exactly this process; false if it was gone. */
export const signalProcess = (identity: ProcessIdentity, signal: NodeJS.Signals): boolean => {
  if (!isAlive(identity)) return false
  try {
    return process.kill(identity.pid, signal)
  } catch {
    return false
  }
}

const allPids = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)

const livingWhere = (holds: (pid: number) => boolean): readonly ProcessIdentity[] =>
  allPids().flatMap((pid) => {
    try {
      const identity = holds(pid) ? identify(pid) : undefined
      return identity === undefined ? [] : [identity]
    } catch {
      // Ended between the look at the list and the look at the process.
      return []
    }
  })

/** The living processes inside the named network namespaces (`ip netns` names); unknown names are skipped. */
export const processesInNamespaces = (namespaces: readonly string[]): readonly ProcessIdentity[] => {
  const links = new Set(
    namespaces.flatMap((name) => {
      const stat = statSync(`/run/netns/${name}`, { throwIfNoEntry: false })
      return stat === undefined ? [] : [`net:[${stat.ino}]`]
    }),
  )
  return links.size === 0 ? [] : livingWhere((pid) => links.has(readlinkSync(`/proc/${pid}/ns/net`)))
}

/** The living processes that were started with this variable in their environment, or descend from such a one. */
export const processesWithVariable = (name: string, value: string): readonly ProcessIdentity[] =>
  livingWhere((pid) => readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${name}=${value}`))

/** The process itself and all that descend from it, parents first. */
export const familyOf = (root: number): readonly number[] => {
  const parents = allPids().map((pid) => ({ pid, parent: statOf(pid)?.parent }))
  const family = [root]
  for (const member of family) family.push(...parents.filter(({ parent }) => parent === member).map(({ pid }) => pid))
  return family
}

const isFirstAs = (pid: number, program: string): boolean => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    return status.startsWith(`Name:\t${program}\n`) && /^NSpid:.*\t1$/m.test(status)
  } catch {
    // Ended since the look at the list.
    return false
  }
}

/** The descendant of `root` that runs `program` as the first process of a PID namespace, or undefined. */
export const firstProcessBelow = (root: number, program: string): number | undefined =>
  familyOf(root).find((pid) => isFirstAs(pid, program))
