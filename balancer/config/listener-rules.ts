// Rules over several keys of a listener. They read the raw input leniently, as all rules do.

import * as z from 'zod'
import { type CheckTlsPaths, readCheckTls } from './check-tls.ts'
import type { Finding } from './document.ts'
import { parseEndpoint } from './endpoint-values.ts'
import { listOf, mapping, text } from './lenient.ts'
import { fileFindings, readSecretFile } from './secret-file.ts'
import { serverFindings } from './server-rules.ts'
import { durationMillis } from './values.ts'

const flag = z.boolean().optional().catch(undefined)
const number = z.number().optional().catch(undefined)
const check = mapping({
  type: text,
  path: text,
  port: number,
  password_file: text,
  tls: mapping({ ca: text, certificate: text, key: text }),
  interval: text,
  fast_interval: text,
})
const checks = z.preprocess((value) => (Array.isArray(value) ? value : [value]), listOf(check)).catch([])

const lenient = mapping({
  listeners: listOf(
    mapping({
      datapath: text,
      balance: text,
      all_backups: flag,
      slow_start: text,
      on_marked_down: text,
      on_marked_up: text,
      shutdown_grace: text,
      panic_threshold: number,
      fail_back: flag,
      check: checks,
      agent_check: mapping({ port: number }),
      servers: listOf(mapping({ name: text, address: text, weight: number, backup: flag })),
    }),
  ),
})

/** A listener as the rules read it. */
export type LenientListener = NonNullable<NonNullable<z.output<typeof lenient>>['listeners'][number]>
/** A finding about one key of a listener; the rest of the path is added later. */
export type ListenerFault = Omit<Finding, 'path'> & {
  readonly path: readonly [keyof LenientListener, ...PropertyKey[]]
}

/** What contradicts itself in the listeners, and what is unwise. */
export const listenerFindings = (input: unknown): readonly Finding[] =>
  (lenient.parse(input)?.listeners ?? []).flatMap((listener, i) =>
    listener === undefined
      ? []
      : [...contradictions(listener), ...checkFaults(listener), ...serverFindings(listener)].map((fault) => ({
          ...fault,
          path: ['listeners', i, ...fault.path],
        })),
  )

/** Paths of the agent that pass on servers which take writes. */
const writerPaths = ['/primary', '/writer', '/master']

const contradictions = (listener: LenientListener): readonly ListenerFault[] => {
  const isSingle = listener.balance === 'single'
  const writes = isSingle || listener.check.some((one) => writerPaths.includes(one?.path?.split('?')[0] ?? ''))
  const grace = durationMillis(listener.shutdown_grace) ?? 0
  const rules: readonly (Omit<ListenerFault, 'path'> & {
    readonly key: keyof LenientListener
    readonly broken: boolean
  })[] = [
    {
      key: 'on_marked_down',
      broken: isSingle && listener.on_marked_down === 'keep',
      text: 'balance: single ends the sessions of a demoted writer; remove this key',
    },
    {
      key: 'shutdown_grace',
      broken: isSingle && grace > 0,
      text: 'balance: single leaves a demoted writer no session but a login that is under way; remove this key',
    },
    {
      key: 'shutdown_grace',
      broken: !isSingle && grace > 0 && listener.on_marked_down === 'keep',
      text: 'on_marked_down: keep ends no session, so that nothing has a grace; remove one of the two',
      isWarning: true,
    },
    {
      key: 'fail_back',
      broken: !isSingle && listener.fail_back !== undefined,
      text: 'it belongs to balance: single; remove it, or set balance: single',
    },
    {
      key: 'panic_threshold',
      broken: writes && (listener.panic_threshold ?? 0) > 0,
      text: 'not for writers: nothing may be written to a server that fails its checks; remove this key',
    },
    {
      // No error: a server may be prepared by hand, as for LVS, and the way to it is tried when it comes up.
      key: 'check',
      broken: listener.datapath === 'direct' && !listener.check.some((one) => (one?.type ?? 'http') === 'http'),
      text: 'no check here asks the agent, which alone tells whether a server is prepared for direct return: clients of one that is not get no answer; add { type: http, port: 9222 }',
      isWarning: true,
    },
  ]
  return rules.flatMap(({ key, broken, ...fault }) => (broken ? [{ ...fault, path: [key] }] : []))
}

const defaultInterval = 2000

const tlsFaults = (paths: CheckTlsPaths, i: number): readonly ListenerFault[] => {
  const read = readCheckTls(paths)
  if (!read.ok) return [{ path: ['check', i, 'tls', read.at], text: read.problem }]
  return read.warnings.map(({ at, text }) => ({ path: ['check', i, 'tls', at], text, isWarning: true }))
}

const checkFaults = ({ check: given, agent_check: agent, servers }: LenientListener): readonly ListenerFault[] => {
  const serverOn = (port: number | undefined): string | undefined =>
    servers.find((server) => port !== undefined && parseEndpoint(server?.address)?.port === port)?.name
  const ofAgent = serverOn(agent?.port)
  return [
    ...given.flatMap((one, i): readonly ListenerFault[] => {
      const at = (key: string): ListenerFault['path'] => ['check', i, key]
      const { type = 'http', port, password_file: file, tls, interval, fast_interval: fast } = one ?? {}
      const ofServer = type === 'http' ? serverOn(port) : undefined
      const isSlower = (durationMillis(fast) ?? 0) > (durationMillis(interval) ?? defaultInterval)
      return [
        // Text that is no path may be the password itself; the schema refuses it.
        ...(!file?.startsWith('/')
          ? []
          : fileFindings(readSecretFile(file), []).map((found) => ({ ...found, path: at('password_file') }))),
        ...(tls === undefined ? [] : tlsFaults(tls, i)),
        ...(ofServer === undefined
          ? []
          : [
              {
                path: at('port'),
                text: `${port} is the port of ${ofServer} itself; the agent has one of its own, 9222`,
                isWarning: true,
              },
            ]),
        ...(isSlower
          ? [
              {
                path: at('fast_interval'),
                text: `found "${fast}", which is longer than the interval; write a shorter one`,
                isWarning: true,
              },
            ]
          : []),
      ]
    }),
    ...(ofAgent === undefined
      ? []
      : [
          {
            path: ['agent_check', 'port'],
            text: `${agent?.port} is the port of ${ofAgent} itself; what speaks agent-check has one of its own, such as 9223`,
            isWarning: true,
          } as const,
        ]),
  ]
}
