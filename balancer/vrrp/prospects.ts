// The virtual routers of a configuration in the words of the outlook: what each tracks, its sync group's things included.

import type { VrrpConfig, VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import type { Prospect, Watched } from './core/outlook.ts'
import { noServerWeight } from './core/serving.ts'
import { routeName } from './instance.ts'

/** One prospect for each instance. */
export const prospectsOf = (vrrp: VrrpConfig): readonly Prospect[] =>
  vrrp.instances.map((instance) => {
    const group = vrrp.sync_groups.find(({ instances }) => instances.includes(instance.name))
    const members = vrrp.instances.filter(({ name }) => group?.instances.includes(name) ?? name === instance.name)
    const watched = new Map<string, Watched>()
    for (const one of members.flatMap((member) => watchedBy(vrrp, member))) {
      const known = watched.get(one.name)
      if (known === undefined || gravity(one) > gravity(known)) watched.set(one.name, one)
    }
    const { name, priority, preempt, peer = null } = instance
    return { name, priority, preempt, peer, watched: [...watched.values()] }
  })

/** As `unionOf` has it: FAULT outweighs everything. */
const gravity = ({ weight }: Watched): number => (weight === 0 ? Number.POSITIVE_INFINITY : Math.abs(weight))

const watchedBy = (
  vrrp: VrrpConfig,
  { interface: own, track, virtual_routes: routes }: VrrpInstanceConfig,
): readonly Watched[] => {
  const state = (name: string, weight: number): Watched => ({ name, weight, kind: 'state' })
  const weightIn = (list: readonly { readonly name: string; readonly weight: number }[], name: string): number =>
    list.find((one) => one.name === name)?.weight ?? 0
  return [
    state(`interface ${own} down`, 0),
    ...(track.serving === null
      ? []
      : [
          state('this host does not serve', -Math.abs(track.serving.weight) || 0),
          { ...state('no server up', noServerWeight), isShared: true },
        ]),
    ...track.interfaces.map(({ interface: name, weight }) => state(`interface ${name} down`, weight)),
    ...track.scripts.map(({ script, weight = weightIn(vrrp.scripts, script) }) =>
      state(`script ${script} fails`, weight),
    ),
    ...track.files.map(
      ({ file, weight = weightIn(vrrp.track_files, file) }): Watched => ({
        name: `file ${file}`,
        weight,
        kind: 'file',
      }),
    ),
    ...track.processes.map(({ process, weight = weightIn(vrrp.track_processes, process) }) =>
      state(`process ${process} missing`, weight),
    ),
    ...routes.flatMap(({ to, track: counts }) =>
      counts === null ? [] : [state(`${routeName(to)} cannot be added`, counts.weight)],
    ),
  ]
}

/** A line for each thing that is described and tracked by no instance: its failure leads to nothing. */
export const untracked = ({
  instances,
  scripts,
  track_files: files,
  track_processes: processes,
}: VrrpConfig): readonly string[] => {
  const tracks = instances.map(({ track }) => track)
  const unused = (kind: string, defined: readonly { readonly name: string }[], used: readonly string[]) =>
    defined
      .filter(({ name }) => !used.includes(name))
      .map(({ name }) => `${kind} ${name} is tracked by no instance: its failure moves nothing`)
  return [
    ...unused(
      'script',
      scripts,
      tracks.flatMap((track) => track.scripts.map(({ script }) => script)),
    ),
    ...unused(
      'file',
      files,
      tracks.flatMap((track) => track.files.map(({ file }) => file)),
    ),
    ...unused(
      'process',
      processes,
      tracks.flatMap((track) => track.processes.map(({ process: name }) => name)),
    ),
  ]
}
