// Keeps the kernel settings that the listeners need, remembers what they were in a file, and puts that back.

import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { ipv6Devices, readSetting, writeSetting } from '../../os/sysctl.ts'
import {
  type HostDemand,
  noDemand,
  planSettings,
  type Remembered,
  type Settings,
  type SettingsChange,
  type Step,
  unfinishedSteps,
} from './core/host-settings.ts'

/** What was written, what was not, and whether IPv6 is forwarded between all networks of this host for it. */
export type SettingsReport = {
  readonly changed: readonly Step[]
  readonly failed: readonly string[]
  readonly routesEverything: boolean
}

const current = (): Settings => ({ read: readSetting, devices: ipv6Devices() })

/**
 * Where the values from before are remembered: below systemd's RUNTIME_DIRECTORY or /run/balancer, for this network
 * namespace, to which the settings belong. It does not outlive a boot, as the settings do not.
 */
const settingsFile = (): string => {
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '0'
  const [directory = '/run/balancer'] = process.env['RUNTIME_DIRECTORY']?.split(':') ?? []
  return join(directory, `host-settings.${namespace}.json`)
}

/**
 * Brings the settings to the demand: at the start, after a reload, and again and again, since anybody may change them.
 * Cheap when nothing has changed: it reads some files of /proc. Throws where the file of old values cannot be written.
 */
export const holdSettings = (demand: HostDemand, file = settingsFile()): SettingsReport => {
  const memory = finish(recall(file))
  const change = planSettings(demand, memory, current())
  if (!isSame(memory, change.memory)) store(file, change.memory)
  const failed = carryOut(change.steps)
  if (!isSame(change.memory, change.after)) store(file, change.after)
  return { changed: lasting(change), failed, routesEverything: change.routesEverything }
}

/** Puts back all that is remembered, whoever changed it: at a stop, and for `balancer release`. */
export const releaseSettings = (file = settingsFile()): SettingsReport => {
  const isThere = recall(file).length > 0
  return isThere ? holdSettings(noDemand, file) : { changed: [], failed: [], routesEverything: false }
}

/** It as operators hand it to sysctl(8): an interface with dots in its name needs the slashes. */
export const stepText = ({ key, value }: Step): string =>
  `${key.includes('.') ? key : key.replaceAll('/', '.')}=${value}`

/** A change that was cut off: interfaces that were to be something else for a moment. */
const finish = (memory: readonly Remembered[]): readonly Remembered[] => {
  carryOut(unfinishedSteps(memory, current()))
  return memory.filter(({ ours }) => ours !== null)
}

const carryOut = (steps: readonly Step[]): readonly string[] =>
  steps.flatMap(({ key, value }) => {
    const outcome = writeSetting(key, value)
    return outcome.ok ? [] : [outcome.text]
  })

const lasting = ({ memory, steps }: SettingsChange): readonly Step[] =>
  steps.filter(({ key }) => memory.some((one) => one.key === key && one.ours !== null))

const isSame = (one: readonly Remembered[], other: readonly Remembered[]): boolean =>
  JSON.stringify(one) === JSON.stringify(other)

const step = z.object({ key: z.string().regex(/^net\/[^\0]+$/), value: z.string() })
const fileSchema = z.array(
  z.object({
    key: z.string().regex(/^net\/(?!.*\.\.\/)[^\0]+$/),
    before: z.string(),
    ours: z.string().nullable(),
    witness: step.optional(),
  }),
)

/** What is remembered; nothing where there is no such file, or it is not ours to understand. */
const recall = (file: string): readonly Remembered[] => {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return []
  }
}

/** By a rename: a crash leaves the old file or the new one. */
const store = (file: string, memory: readonly Remembered[]): void => {
  if (memory.length === 0) {
    rmSync(file, { force: true })
    return
  }
  mkdirSync(dirname(file), { recursive: true })
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(memory, null, 1)}\n`, { mode: 0o600 })
  renameSync(draft, file)
}
