// Rules over what VRRP tracks and whom it tells: names that must exist, programs that must be there, weights that count.

import * as z from 'zod'
import { nearest } from '../core/near-word.ts'
import { ownerPriority } from '../core/owner-priority.ts'
import type { Finding } from './document.ts'
import { listOf, mapping, repeatedNames, text } from './lenient.ts'
import { programFindings, userFindings, webhookFindings, webhooks, words } from './notify-rules.ts'
import { routerNotifyKeys } from './notify-schema.ts'

const weight = z.number().optional().catch(undefined)
const reference = z
  .union([
    z.string().transform((name) => ({ name, weight: undefined, isPlain: true })),
    z
      .object({ interface: text, script: text, file: text, process: text, weight })
      .transform(({ weight: own, ...named }) => ({
        name: Object.values(named).find((name) => name !== undefined),
        weight: own,
        isPlain: false,
      })),
  ])
  .catch({ name: undefined, weight: undefined, isPlain: true })
const notify = mapping({
  master: words,
  backup: words,
  fault: words,
  stop: words,
  any: words,
  user: text,
})
const definition = mapping({ name: text, weight, command: words, user: text })

const lenient = mapping({
  vrrp: mapping({
    script_user: text,
    scripts: listOf(definition),
    track_files: listOf(definition),
    track_processes: listOf(definition),
    webhooks,
    instances: listOf(
      mapping({
        name: text,
        priority: z.number().optional().catch(undefined),
        notify,
        track: mapping({
          serving: z.unknown().optional(),
          interfaces: listOf(reference),
          scripts: listOf(reference),
          files: listOf(reference),
          processes: listOf(reference),
        }),
      }),
    ),
    sync_groups: listOf(mapping({ notify })),
  }),
})

type Vrrp = NonNullable<NonNullable<z.output<typeof lenient>>['vrrp']>
type Instance = NonNullable<Vrrp['instances'][number]>

/** What is wrong with what a configuration tracks and whom it notifies. */
export const trackFindings = (input: unknown): readonly Finding[] => {
  const vrrp = lenient.parse(input)?.vrrp
  if (vrrp === undefined) return []
  return [
    ...repeatedNames(vrrp.scripts, 'vrrp', 'scripts'),
    ...repeatedNames(vrrp.track_files, 'vrrp', 'track_files'),
    ...repeatedNames(vrrp.track_processes, 'vrrp', 'track_processes'),
    ...userFindings(vrrp.script_user, ['vrrp', 'script_user']),
    ...vrrp.scripts.flatMap((script, i) => [
      ...programFindings(script?.command, script?.user ?? vrrp.script_user, ['vrrp', 'scripts', i, 'command']),
      ...userFindings(script?.user, ['vrrp', 'scripts', i, 'user']),
    ]),
    ...vrrp.instances.flatMap((instance, i) => [
      ...(instance === undefined ? [] : referenceFindings(instance, vrrp, ['vrrp', 'instances', i, 'track'])),
      ...routerNotifyFindings(instance?.notify, vrrp, ['vrrp', 'instances', i, 'notify']),
    ]),
    ...vrrp.sync_groups.flatMap((group, i) =>
      routerNotifyFindings(group?.notify, vrrp, ['vrrp', 'sync_groups', i, 'notify']),
    ),
    ...webhookFindings(vrrp.webhooks, ['vrrp', 'webhooks']),
  ]
}

const kinds = [
  { list: 'scripts', key: 'script', known: 'scripts' },
  { list: 'files', key: 'file', known: 'track_files' },
  { list: 'processes', key: 'process', known: 'track_processes' },
] as const

const referenceFindings = (
  { track, priority }: Instance,
  vrrp: Vrrp,
  path: readonly PropertyKey[],
): readonly Finding[] => {
  if (track === undefined) return []
  const isOwner = priority === ownerPriority
  const ofOwner = (at: readonly PropertyKey[]): Finding => ({
    path: at,
    text: 'the address owner (priority 255) keeps its priority; write weight: 0, or lower the priority',
  })
  const found: Finding[] = kinds.flatMap(({ list, key, known }) => {
    const definitions = vrrp[known]
    const names = definitions.flatMap((one) => one?.name ?? [])
    return track[list].flatMap(({ name, weight: own, isPlain }, i): Finding[] => {
      const at = isPlain ? [...path, list, i] : [...path, list, i, key]
      if (name === undefined) return []
      if (!names.includes(name)) {
        const others = names.length > 0 ? ` (there are ${names.join(', ')})` : ''
        return [{ path: at, text: `vrrp.${known} has no ${name}${nearest(name, names) || others}` }]
      }
      const given = own ?? definitions.find((one) => one?.name === name)?.weight ?? (list === 'files' ? 1 : 0)
      return isOwner && given !== 0 ? [ofOwner(at)] : []
    })
  })
  const weighty = track.interfaces.flatMap(({ weight: own }, i) =>
    isOwner && (own ?? 0) !== 0 ? [ofOwner([...path, 'interfaces', i, 'weight'])] : [],
  )
  const serving = mapping({ weight }).parse(track.serving)?.weight ?? 0
  return [...found, ...weighty, ...(isOwner && serving !== 0 ? [ofOwner([...path, 'serving', 'weight'])] : [])]
}

const routerNotifyFindings = (
  given: Instance['notify'],
  vrrp: Vrrp,
  path: readonly PropertyKey[],
): readonly Finding[] => [
  ...userFindings(given?.user, [...path, 'user']),
  ...routerNotifyKeys.flatMap((key) => programFindings(given?.[key], given?.user ?? vrrp.script_user, [...path, key])),
]
