// Logs in as the check user, as the agent will: over its own way, and where clients come in.

import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { MysqlConfig, MysqlTarget } from '../config/login.ts'
import { doorOf, isLoopback } from '../probe/core/door.ts'
import type { Failure } from '../probe/core/failure.ts'
import { rowsFrom, textOf } from '../probe/core/rows.ts'
import { ownAddresses } from '../probe/door.ts'
import { openSession } from '../probe/session.ts'
import type { Login } from './core/plan.ts'
import type { Seen } from './core/server.ts'

/** A place where the agent logs in, and the address that the server sees it come from. */
export type Place = { readonly target: MysqlTarget; readonly from: string; readonly name: string }

const patienceMillis = 10_000

/** The agent's own way to the server. */
export const ownPlace = async (target: MysqlTarget): Promise<Place> =>
  target.kind === 'socket'
    ? { target, from: 'localhost', name: target.path }
    : {
        target,
        from: (await sourceTowards(target.host, target.port)) ?? target.host,
        name: `${target.host}:${target.port}`,
      }

/** Where clients come in, and the agent with them; null where it does not look. */
export const clientPlace = async (
  { client = { kind: 'none' }, target }: Pick<MysqlConfig, 'client' | 'target'>,
  { words }: Seen,
): Promise<Place | null> => {
  if (client.kind === 'own' && target.kind === 'tcp' && !isLoopback(target.host)) return null
  const door = doorOf(client, words, client.kind === 'own' ? ownAddresses() : [])
  if (door === null || 'closed' in door) return null
  const from = await sourceTowards(door.host, door.port)
  return from === null ? null : { target: { kind: 'tcp', ...door }, from, name: `${door.host}:${door.port}` }
}

/** The address of ours that a connection there would have; the kernel tells it without a packet. */
const sourceTowards = (host: string, port: number): Promise<string | null> =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    const answer = (address: string | null): void => {
      socket.close()
      resolve(address)
    }
    socket.once('error', () => answer(null))
    socket.connect(port, host, () => answer(socket.address().address))
  })

/** What a login there comes to: in, refused for user or password, or a failure that says nothing of either. */
export const tryLogin = async (
  { target }: Place,
  mysql: Pick<MysqlConfig, 'user' | 'tls'>,
  password: string,
): Promise<{ readonly login: Login; readonly failure: Failure | null }> => {
  const session = openSession(target, { ...mysql, password: () => password })
  const limit = setTimeout(session.destroy, patienceMillis)
  try {
    const failure = await session.login()
    if (failure !== null) {
      return { login: failure.code === 'access-denied' ? { kind: 'refused' } : { kind: 'not-tried' }, failure }
    }
    const [who, grants] = [await session.query('SELECT CURRENT_USER()'), await session.query('SHOW GRANTS')]
    if (!who.ok) return { login: { kind: 'not-tried' }, failure: who.failure }
    const [[name] = []] = who.rows
    const [, user = '', host = ''] = /^(.*)@([^@]*)$/.exec(textOf(name) ?? '') ?? []
    const shown = grants.ok ? rowsFrom(grants.columns, grants.rows).flatMap((row) => Object.values(row)) : []
    return { login: { kind: 'in', account: { user, host }, grants: shown.map((one) => one ?? '') }, failure: null }
  } finally {
    clearTimeout(limit)
    session.end()
  }
}
