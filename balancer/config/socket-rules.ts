// Rules about `admin.socket`: whether its path is free, its group is there, and who may give orders through it.

import { lstatSync } from 'node:fs'
import * as z from 'zod'
import { findGroup } from '../os/users.ts'
import type { Finding } from './document.ts'
import { mapping, repeated, text } from './lenient.ts'

const place = z.object({ path: text, level: text, mode: text, group: text })
const one = z.union([z.string().transform((path) => ({ path })), place]).catch({})
const lenient = mapping({ admin: mapping({ socket: z.unknown() }) })

type Place = Partial<z.output<typeof place>>

const placeOf = (value: unknown): Place => one.parse(value)

/** What cannot work, and what is unwise. */
export const socketFindings = (input: unknown): readonly Finding[] => {
  const written = lenient.parse(input)?.admin?.socket
  const at = ['admin', 'socket']
  const places = (Array.isArray(written) ? written : [written]).map((value, i) => ({
    ...placeOf(value),
    at: Array.isArray(written) ? [...at, i] : at,
    isMapping: typeof value === 'object',
  }))
  return [
    ...repeated(
      places.map(({ path, at, isMapping }) => ({ value: path, path: isMapping ? [...at, 'path'] : at })),
      (path) => `found "${path}"; a socket above has this path; choose another`,
    ),
    ...places.flatMap(({ path, level = 'admin', mode = '', group, at, isMapping }) => [
      ...pathFindings(path, isMapping ? [...at, 'path'] : at),
      ...(group === undefined || findGroup(group) !== undefined
        ? []
        : [{ path: [...at, 'group'], text: `there is no group ${group} on this host; addgroup --system ${group}` }]),
      ...(level === 'admin' && /[2367]$/.test(mode)
        ? [
            {
              path: [...at, 'mode'],
              text: `${mode} lets every user of this host give orders; write '0660'`,
              isWarning: true,
            },
          ]
        : []),
    ]),
  ]
}

const pathFindings = (socket: string | undefined, path: readonly PropertyKey[]): readonly Finding[] => {
  if (!socket?.startsWith('/')) return []
  try {
    const found = lstatSync(socket, { throwIfNoEntry: false })
    if (found === undefined || found.isSocket()) return []
    return [{ path, text: `${socket} is there and is no socket; name a path that is free` }]
  } catch {
    // The folder above is no folder, or may not be entered: the start says so.
    return []
  }
}
