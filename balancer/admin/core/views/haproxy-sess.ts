// `show sess`, as HAProxy writes it: a line for each session, or all that is known of one. What is about HAProxy's own buffers and tasks
// does not exist here, and is 0 or empty as it is there when it does not apply.

import type { ListedSession, SessionList } from '../../../pool/core/session-list.ts'
import { protocolOf, sessionId } from '../../../pool/core/session-list.ts'
import type { Status } from '../model/status.ts'
import { proxyNumber } from './csv.ts'

const noChannel = '[f=0h,i=0,an=00h,rx=,wx=,ax=]'

/** One line a session, and comments for what could not be told. `now` is milliseconds since the epoch. */
export const sessLines = ({ sessions, left, troubles }: SessionList, now: number): string =>
  [
    ...sessions.map((session) => {
      const { client, listener, server, acceptedAt } = session
      const who = `proto=${protocolOf(client)} src=${client.address}:${client.port} fe=${listener} be=${listener}`
      const times = `ts=00 epoch=0 age=${acceptedAt === null ? '' : ageText(now - acceptedAt)} calls=0 rate=0 cpu=0 lat=0`
      const sides = `scf=[8,0h,fd=-1] scb=[${session.isJoined ? 8 : 0},1h,fd=-1]`
      const channels = `rq${noChannel} rp${noChannel} ${sides} exp= rc=0 c_exp=`
      return `${sessionId(client)}: ${who} srv=${server ?? '<none>'} ${times} ${channels}`
    }),
    ...comments(left, troubles),
  ].join('\n')

/** All that is known of each. `time` writes a moment in HAProxy's form. */
export const sessDetails = (
  { sessions, left, troubles }: SessionList,
  { listeners }: Status,
  now: number,
  time: (at: number) => string,
): string => {
  const numberOf = (name: string): number => proxyNumber(listeners.findIndex((listener) => listener.name === name))
  const serverOf = ({ listener, server }: ListedSession): string => {
    const all = listeners.find(({ name }) => name === listener)?.servers ?? []
    const place = all.findIndex(({ name }) => name === server)
    return place < 0 ? '<NONE> (id=-1)' : `${server} (id=${place + 1}) addr=${all[place]?.address}`
  }
  const one = (session: ListedSession): string => {
    const { client, listener, bind, acceptedAt, isJoined, bytesIn, bytesOut } = session
    const proxy = `${listener} (id=${numberOf(listener)} mode=tcp)`
    const source = `${client.address}:${client.port}`
    const channel = (name: string, total: number | null): string =>
      `  ${name}=(nil) (f=0x0 an=0x0 pipe=0 tofwd=-1 total=${total ?? 0})`
    return [
      `${sessionId(client)}: [${acceptedAt === null ? '?' : time(acceptedAt)}] id=0 proto=${protocolOf(client)} source=${source}`,
      '  flags=0x0, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=(nil), pend_pos=(nil) waiting=0 epoch=0',
      `  frontend=${proxy}, listener=? (id=1) addr=${bind ?? '?'}`,
      `  backend=${proxy} addr=?`,
      `  server=${serverOf(session)}`,
      `  task=(nil) (state=0x00 nice=0 calls=0 rate=0 exp=<NEVER> tmask=0x1 age=${acceptedAt === null ? '?' : ageText(now - acceptedAt)})`,
      '  scf=(nil) flags=0x00000000 state=EST',
      `  scb=(nil) flags=0x00000001 state=${isJoined ? 'EST' : session.server === null ? 'QUE' : 'CON'}`,
      channel('req', bytesIn),
      channel('res', bytesOut),
    ].join('\n')
  }
  return [...sessions.map(one), ...comments(left, troubles)].join('\n')
}

const comments = (left: number, troubles: readonly string[]): readonly string[] => [
  ...(left > 0 ? [`# ${left} more are not listed`] : []),
  ...troubles.map((trouble) => `# ${trouble}`),
]

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const
const mostUnits = 2

/** HAProxy's short form of a duration in milliseconds, its two largest units: `59m59s`, `1d2h`, `4s`. */
const ageText = (milliseconds: number): string => {
  let rest = Math.max(0, Math.floor(milliseconds / 1000))
  const parts = units.map(([unit, seconds]) => {
    const count = Math.floor(rest / seconds)
    rest -= count * seconds
    return [unit, count] as const
  })
  const from = parts.findIndex(([, count]) => count > 0)
  if (from < 0) return '0s'
  return parts
    .slice(from, from + mostUnits)
    .map(([unit, count]) => (count === 0 ? '' : `${count}${unit}`))
    .join('')
}
