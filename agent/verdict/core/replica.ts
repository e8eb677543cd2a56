// The replica test: do all channels run, and is none of them too far behind?

import type { Millis } from '../../core/time.ts'
import type { Words } from '../../probe/core/facts.ts'
import type { Channel } from '../../probe/core/replication.ts'
import type { Reason } from './reason.ts'

const millisPerSecond = 1000
/** A report has room for this many channels. */
const shownChannels = 16
const runs = 'Yes'

/** Why a replica must not serve, or null. The list must not be empty: a server without channels is no replica. */
export const replicaObjection = (channels: readonly Channel[], maximumLag: Millis): Reason | null => {
  for (const { name, ioThread, sqlThread, lag, error } of channels) {
    const of = name === '' ? '' : ` of ${name}`
    const because = error === '' ? '' : `: ${error}`
    if (sqlThread !== runs) return stopped(`the SQL thread${of} is ${sqlThread}${because}`)
    if (ioThread !== runs) return stopped(`the I/O thread${of} is ${ioThread}${because}`)
    if (lag === null) return stopped(`the lag${of} is not known (NULL)`)
    const allowed = maximumLag / millisPerSecond
    if (lag > allowed) {
      return { code: 'replication-lag', text: `replication${of} is ${lag} s behind, allowed are ${allowed} s` }
    }
  }
  return null
}

/** The channels without those that only wait for their source to come back. */
export const withoutAbsentSources = (channels: readonly Channel[]): readonly Channel[] =>
  channels.filter(({ ioThread, sqlThread }) => !(ioThread === 'Connecting' && sqlThread === runs))

/** The worst lag in seconds; null where one is not known, and without channels. */
export const worstLag = (channels: readonly Channel[]): number | null =>
  channels.reduce<number | null>(
    (worst, { lag }, i) => (lag === null || (i > 0 && worst === null) ? null : Math.max(worst ?? 0, lag)),
    null,
  )

/** What a report shows of the channels. */
export const replicaFacts = (channels: readonly Channel[]): Words =>
  Object.fromEntries(
    channels.slice(0, shownChannels).map(({ name, ioThread, sqlThread, lag }) => {
      const behind = lag === null ? 'lag not known' : `${lag} s behind`
      return [`replication${name && ` ${name}`}`, `I/O ${ioThread}, SQL ${sqlThread}, ${behind}`]
    }),
  )

const stopped = (text: string): Reason => ({ code: 'replication-stopped', text })
