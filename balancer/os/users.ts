// The users and groups of this host, as /etc/passwd and /etc/group have them.

import { readFileSync } from 'node:fs'

/** One user. */
export type User = { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string }

/** Looks a user up; undefined where there is none. */
export const findUser = (name: string): User | undefined => {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`))
  const [, , uid, gid, , home = '/'] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid), home }
}

/** The number of a group; undefined where there is none of this name. */
export const findGroup = (name: string): number | undefined => {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`))
  const [, , gid] = line?.split(':') ?? []
  return gid === undefined ? undefined : Number(gid)
}

/** The numbers of the groups that a user is in beside its own, as /etc/group has them. */
export const groupsOf = (name: string): readonly number[] =>
  readFileSync('/etc/group', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .flatMap(([, , gid, members = '']) => (members.split(',').includes(name) ? [Number(gid)] : []))
