// The registry of labs: what each one made, so that whoever comes next can remove it when the owner died.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { isAlive, type ProcessIdentity, processesInNamespaces, processesWithVariable, signalProcess } from './proc.ts'

const registry = '/run/mysql-balancer-lab'

/** The variable by which the processes of a lab are known; its value is the lab's id. */
export const labVariable = 'MYSQL_BALANCER_LAB'

// What a record names is going to be killed and deleted: only names that a lab gives are believed.
const recordSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{6}$/),
  name: z.string(),
  owner: z.object({ pid: z.number().int(), startTicks: z.number() }),
  directory: z.string().regex(/^\/.*\/mlab-[0-9a-f]{6}$/),
  namespaces: z.array(z.string().regex(/^mlab-[0-9a-f]{6}-[a-z0-9-]+$/)),
  controlGroups: z.array(z.string().regex(/^\/.*\/mlab-[0-9a-f]{6}-[a-z0-9-]+$/)).default([]),
})

/** All that one lab has made in the system, and the process that owns it. */
export type LabRecord = z.output<typeof recordSchema>

const fileOf = (id: string): string => `${registry}/${id}.json`

/** Writes down what the lab has, or is just about to have. Synchronous: it must be on record before it exists. */
export const saveRecord = (record: LabRecord): void => {
  mkdirSync(registry, { recursive: true })
  const file = fileOf(record.id)
  writeFileSync(`${file}.new`, JSON.stringify(record))
  renameSync(`${file}.new`, file)
}

const readRecord = (id: string): LabRecord | undefined => {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(readFileSync(fileOf(id), 'utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

/** How many living processes a removal had to end. */
export type Removal = { readonly killed: number }

const killLimit = 5000
const killInterval = 5
const deleteLimit = 1000
const deleteRetries = 5

const pause = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const killAll = (find: () => readonly ProcessIdentity[]): number => {
  const seen = new Set<number>()
  const deadline = performance.now() + killLimit
  // Again and again, because a process may fork between the look and the signal.
  for (let alive = find(); alive.length > 0 && performance.now() < deadline; alive = find()) {
    // All at once: a process must not see another one die and act on it.
    for (const one of alive) signalProcess(one, 'SIGSTOP')
    for (const one of alive) {
      signalProcess(one, 'SIGKILL')
      seen.add(one.pid)
    }
    pause(killInterval)
  }
  return seen.size
}

/** Kills every process inside these namespaces and returns how many there were. Synchronous. */
export const killInNamespaces = (namespaces: readonly string[]): number =>
  killAll(() => processesInNamespaces(namespaces))

const mountPoints = (): readonly string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ').slice(1, 2))

const unmountUnder = (directory: string): void => {
  const points = mountPoints().filter((point) => point.startsWith(`${directory}/`))
  for (const point of points.reverse()) {
    try {
      execFileSync('umount', ['--lazy', point], { stdio: 'ignore' })
    } catch (error) {
      // Two labs that start at once may sweep the same remains.
      if (mountPoints().includes(point)) throw error
    }
  }
}

/** Deletes a network namespace by name, if there is one. Synchronous. */
export const deleteNamespace = (name: string): void => {
  const deadline = performance.now() + deleteLimit
  // Two labs that start at once may sweep the same remains: what the other one has just deleted is no failure.
  while (existsSync(`/run/netns/${name}`)) {
    try {
      execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
    } catch (error) {
      if (performance.now() > deadline) throw error
      pause(killInterval)
    }
  }
}

/** Removes a control group and those below it. Synchronous. */
const deleteControlGroup = (group: string): void => {
  const deadline = performance.now() + deleteLimit
  while (existsSync(group)) {
    try {
      for (const entry of readdirSync(group, { withFileTypes: true })) {
        if (entry.isDirectory()) deleteControlGroup(join(group, entry.name))
      }
      rmdirSync(group)
    } catch (error) {
      // A process that was killed stays in its group until its parent has heard of it.
      if (performance.now() > deadline) throw error
      pause(killInterval)
    }
  }
}

/** Takes away all that a lab made: processes, control groups, namespaces, mounts, files. Synchronous, so that it works on the way out. */
export const removeRemains = (record: LabRecord): Removal => {
  const killed = killAll(() => [
    ...processesWithVariable(labVariable, record.id),
    ...processesInNamespaces(record.namespaces),
  ])
  record.controlGroups.forEach(deleteControlGroup)
  record.namespaces.forEach(deleteNamespace)
  unmountUnder(record.directory)
  rmSync(record.directory, { recursive: true, force: true, maxRetries: deleteRetries })
  rmSync(fileOf(record.id), { force: true })
  return { killed }
}

/** Removes what labs left whose owner is gone, and returns one sentence for each. Labs of living owners stay untouched. */
export const sweepAbandoned = (): readonly string[] => {
  if (!existsSync(registry)) return []
  return readdirSync(registry).flatMap((file) => {
    const record = file.endsWith('.json') ? readRecord(file.slice(0, -'.json'.length)) : undefined
    if (record === undefined || isAlive(record.owner)) return []
    const { killed } = removeRemains(record)
    return [
      `Cleaned up after lab "${record.name}" (${record.id}), whose owner (pid ${record.owner.pid}) is gone: ` +
        `${record.namespaces.length} namespaces, ${killed} processes, ${record.directory}.`,
    ]
  })
}
