// The registry of labs: what each one made, so that whoever comes next can remove it when the owner died.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { isAlive, processesInNamespaces, signalProcess } from './proc.ts'

const registry = '/run/mysql-balancer-lab'

// What a record names is going to be killed and deleted: only names that a lab gives are believed.
const identity = z.object({ pid: z.number().int().min(2), startTicks: z.number() })
const recordSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{6}$/),
  name: z.string(),
  owner: identity,
  directory: z.string().regex(/^\/.*\/mlab-[0-9a-f]{6}$/),
  namespaces: z.array(z.string().regex(/^mlab-[0-9a-f]{6}-[a-z0-9-]+$/)),
  processes: z.array(identity),
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

const pause = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const killAll = (find: () => readonly { pid: number; startTicks: number }[]): number => {
  const seen = new Set<number>()
  const deadline = performance.now() + killLimit
  // Again and again, because a process may fork between the look and the signal.
  for (let alive = find(); alive.length > 0 && performance.now() < deadline; alive = find()) {
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

const unmountUnder = (directory: string): void => {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ').slice(1, 2))
    .filter((point) => point.startsWith(`${directory}/`))
  for (const point of points.reverse()) execFileSync('umount', ['--lazy', point], { stdio: 'ignore' })
}

/** Deletes a network namespace by name, if there is one. Synchronous. */
export const deleteNamespace = (name: string): void => {
  try {
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
  } catch (error) {
    if (existsSync(`/run/netns/${name}`)) throw error
  }
}

/** Takes away all that a lab made: processes, namespaces, mounts, files. Synchronous, so that it works on the way out. */
export const removeRemains = (record: LabRecord): Removal => {
  const killed = killAll(() => [...record.processes.filter(isAlive), ...processesInNamespaces(record.namespaces)])
  record.namespaces.forEach(deleteNamespace)
  unmountUnder(record.directory)
  rmSync(record.directory, { recursive: true, force: true })
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
