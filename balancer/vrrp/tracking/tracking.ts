// The tracking of one host: watches what its virtual routers track and tells each of them its standing.

import type { Logger } from 'pino'
import type { BalancerConfig } from '../../config/schema.ts'
import type { VrrpInstanceConfig } from '../../config/vrrp-schema.ts'
import type { ScriptConfig, TrackFileConfig, TrackProcessConfig } from '../../config/vrrp-track-schema.ts'
import type { Netlink } from '../../os/netlink.ts'
import { openProcessTable } from '../../os/process-table.ts'
import type { Fact } from '../../pool/core/facts.ts'
import { noServerWeight } from '../core/serving.ts'
import { isSameStanding, type Standing, standingOf, type Tracked, unionOf } from '../core/tracking.ts'
import { allAddresses } from '../instance.ts'
import { watchFile } from './files.ts'
import { watchInterface } from './interfaces.ts'
import { watchProcess } from './processes.ts'
import { watchScript } from './scripts.ts'
import { watchServing } from './serving.ts'
import { createWatches } from './watches.ts'

/** The part of the configuration that matters: the listeners tell what `serving` means. */
export type TrackingConfig = Pick<BalancerConfig, 'vrrp' | 'listeners'>

export type TrackingOptions = {
  readonly config: TrackingConfig
  readonly netlink: Pick<Netlink, 'findInterface'>
  readonly log: Logger
  /** The virtual routes of an instance whose failure counts, as its master has found them. */
  readonly routes: (instance: string) => readonly Tracked[]
  /** Called at once when the standing of an instance is another one. */
  readonly onChange: (instance: string, standing: Standing) => void
}

/** The running tracking. */
export type Tracking = {
  /** The standing of an instance as it is now; members of a sync group share it. */
  readonly standing: (instance: string) => Standing
  readonly hear: (fact: Fact) => void
  /** Links or addresses of this host may have changed. */
  readonly networkChanged: () => void
  /** What `routes` tells may be something else now. */
  readonly routesChanged: () => void
  /** What stays as it is configured keeps its state and its schedule. */
  readonly reconfigure: (next: TrackingConfig) => void
  /** Kills running scripts; resolves when none is left. */
  readonly stop: () => Promise<void>
}

/** So long after the start a first look is waited for: a script may take an hour, and a server taken out is not checked. */
const firstLooks = 10_000

/** Starts to track. */
export const createTracking = ({ config: first, netlink, log, routes, onChange }: TrackingOptions): Tracking => {
  let config = first
  let isStopped = false
  let isNew = true
  const told = new Map<string, Standing>()

  const changed = (): void => {
    if (isStopped) return
    for (const { name } of config.vrrp.instances) {
      const next = standing(name)
      const before = told.get(name)
      if (before !== undefined && isSameStanding(before, next)) continue
      told.set(name, next)
      onChange(name, next)
    }
  }
  const isVirtual = (address: string): boolean =>
    config.vrrp.instances.some((instance) => addressesOf(instance).includes(address))

  const serving = watchServing(config.listeners, log, changed)
  type OwnScript = { readonly script: ScriptConfig; readonly user: string | undefined }
  const scripts = createWatches(({ script, user }: OwnScript, before) =>
    watchScript(script, user, before, log, changed),
  )
  const files = createWatches((file: TrackFileConfig, before) => watchFile(file, before, log, changed))
  const table = openProcessTable()
  const processes = createWatches((one: TrackProcessConfig, before) => watchProcess(one, table, before, log, changed))
  const interfaces = createWatches((name: string) => watchInterface(name, netlink, isVirtual, log, changed))

  const watch = (): void => {
    const { instances, scripts: allScripts, track_files: allFiles, track_processes: allProcesses } = config.vrrp
    const tracks = instances.map(({ track }) => track)
    const used = (names: readonly string[]) => new Set(names)
    const wantedScripts = used(tracks.flatMap((track) => track.scripts.map(({ script }) => script)))
    const wantedFiles = used(tracks.flatMap((track) => track.files.map(({ file }) => file)))
    const wantedProcesses = used(tracks.flatMap((track) => track.processes.map(({ process: name }) => name)))
    const wantedInterfaces = used(tracks.flatMap((track) => track.interfaces.map(({ interface: name }) => name)))
    scripts.keep(
      new Map(
        // A weight is nothing to the watch: changing it must not start a script anew.
        selected(allScripts, wantedScripts).map(({ weight: _, ...script }) => [
          script.name,
          { script: { ...script, weight: 0 }, user: script.user ?? config.vrrp.script_user },
        ]),
      ),
    )
    files.keep(new Map(selected(allFiles, wantedFiles).map((file) => [file.name, { ...file, weight: 0 }])))
    processes.keep(new Map(selected(allProcesses, wantedProcesses).map((one) => [one.name, { ...one, weight: 0 }])))
    interfaces.keep(new Map([...wantedInterfaces].map((name) => [name, name])))
  }

  const trackedBy = ({ name: own, track }: VrrpInstanceConfig, addresses: ReadonlySet<string>): readonly Tracked[] => {
    const { vrrp } = config
    const weightIn = (list: readonly { readonly name: string; readonly weight: number }[], name: string): number =>
      list.find((one) => one.name === name)?.weight ?? 0
    return [
      ...servingTracked(track.serving, addresses),
      ...track.interfaces.map(({ interface: name, weight }) => ({
        ...interfaces.sight(name),
        name: `interface ${name}`,
        weight,
      })),
      ...track.scripts.map(({ script, weight = weightIn(vrrp.scripts, script) }) => ({
        ...scripts.sight(script),
        name: `script ${script}`,
        weight,
      })),
      ...track.files.map(({ file, weight = weightIn(vrrp.track_files, file) }) => ({
        ...files.sight(file),
        name: `file ${file}`,
        weight,
      })),
      ...track.processes.map(({ process: name, weight = weightIn(vrrp.track_processes, name) }) => ({
        ...processes.sight(name),
        name: `process ${name}`,
        weight,
      })),
      ...routes(own),
    ]
  }
  const servingTracked = (
    wanted: VrrpInstanceConfig['track']['serving'],
    addresses: ReadonlySet<string>,
  ): readonly Tracked[] => {
    if (wanted === null) return []
    const { host, servers } = serving.of(addresses)
    return [
      // A positive weight would reward what is a matter of course.
      { name: 'serving', weight: -Math.abs(wanted.weight) || 0, ...host },
      { name: 'no server up', weight: noServerWeight, isShared: true, ...servers },
    ]
  }
  const standing = (name: string): Standing => {
    const { instances, sync_groups: groups } = config.vrrp
    const names = groups.find((group) => group.instances.includes(name))?.instances ?? [name]
    const members = instances.filter((instance) => names.includes(instance.name))
    const addresses = new Set(members.flatMap(addressesOf))
    const configured = instances.find((instance) => instance.name === name)?.priority ?? 0
    const found = standingOf(configured, unionOf(members.map((member) => trackedBy(member, addresses))))
    return { ...found, isUnsure: found.isUnsure && isNew }
  }

  watch()
  for (const { name } of config.vrrp.instances) told.set(name, standing(name))
  const looked = setTimeout(() => {
    isNew = false
    changed()
  }, firstLooks).unref()
  return {
    standing,
    hear: serving.hear,
    networkChanged: () => {
      for (const one of interfaces.all()) one.look()
    },
    routesChanged: changed,
    reconfigure: (next) => {
      config = next
      const names = new Set(next.vrrp.instances.map(({ name }) => name))
      for (const name of told.keys()) if (!names.has(name)) told.delete(name)
      watch()
      serving.reconfigure(next.listeners)
      changed()
    },
    stop: async () => {
      isStopped = true
      clearTimeout(looked)
      serving.stop()
      await Promise.all([scripts.stop(), files.stop(), processes.stop(), interfaces.stop()])
    },
  }
}

const addressesOf = (instance: VrrpInstanceConfig): readonly string[] =>
  allAddresses(instance).map(({ address }) => address.address)

const selected = <T extends { readonly name: string }>(all: readonly T[], wanted: ReadonlySet<string>): readonly T[] =>
  all.filter(({ name }) => wanted.has(name))
