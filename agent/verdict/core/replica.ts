// The replica test: do all channels run, and is none of them too far behind?

import { type Millis, millis } from '../../core/time.ts'
import type { Words } from '../../probe/core/facts.ts'
import type { Channel } from '../../probe/core/replication.ts'
import type { Reason } from './reason.ts'

const millisPerSecond = 1000
/** A report has room for this many channels. */
const shownChannels = 16
const runs = 'Yes'

/** How far behind a replica may be, and for how long its source may be away; 0: not at all. */
export type ReplicaBounds = { readonly maximumLag: Millis; readonly maximumAbsence: Millis }

/** Why a replica must not serve, or null. The list must not be empty: a server without channels is no replica. */
export const replicaObjection = (channels: readonly Channel[], bounds: ReplicaBounds): Reason | null => {
  for (const channel of channels) {
    const objection = channelObjection(channel, bounds)
    if (objection !== null) return objection
  }
  return null
}

const channelObjection = (channel: Channel, { maximumLag, maximumAbsence }: ReplicaBounds): Reason | null => {
  const { name, ioThread, sqlThread, lag, error, isSourceAway = false, awayFor = millis(0), isApplied = true } = channel
  const of = name === '' ? '' : ` of ${name}`
  const because = error === '' ? '' : `: ${error}`
  if (sqlThread !== runs) return stopped(`the SQL thread${of} is ${sqlThread}${because}`)
  if (isSourceAway && maximumAbsence > 0) {
    if (!isApplied)
      return { code: 'replication-lag', text: `the source${of} is away, and not all that it sent is applied` }
    const allowed = seconds(maximumAbsence)
    return awayFor <= maximumAbsence
      ? null
      : stopped(`the source${of} has been away for ${seconds(awayFor)} s, allowed are ${allowed} s${because}`)
  }
  if (ioThread !== runs) return stopped(`the I/O thread${of} is ${ioThread}${because}`)
  if (lag === null) return stopped(`the lag${of} is not known (NULL)`)
  const allowed = maximumLag / millisPerSecond
  return lag <= allowed
    ? null
    : { code: 'replication-lag', text: `replication${of} is ${lag} s behind, allowed are ${allowed} s` }
}

/** Of the sources that are away, the one that has been so longest, as a notice; null where all are there. */
export const absenceNotice = (channels: readonly Channel[]): Reason | null => {
  const away = channels.filter(({ isSourceAway }) => isSourceAway)
  if (away.length === 0) return null
  const longest = Math.max(...away.map(({ awayFor }) => awayFor ?? 0))
  return stopped(`the source has been away for ${seconds(millis(longest))} s`)
}

/** The channels without those that only wait for their source to come back. */
export const withoutAbsentSources = (channels: readonly Channel[]): readonly Channel[] =>
  channels.filter(({ isSourceAway }) => !isSourceAway)

const seconds = (time: Millis): number => Math.round(time / millisPerSecond)

/** The worst lag in seconds; null where one is not known, and without channels. */
export const worstLag = (channels: readonly Channel[]): number | null =>
  channels.reduce<number | null>(
    (worst, { lag }, i) => (lag === null || (i > 0 && worst === null) ? null : Math.max(worst ?? 0, lag)),
    null,
  )

/** What a report shows of the channels. */
export const replicaFacts = (channels: readonly Channel[]): Words =>
  Object.fromEntries(
    channels.slice(0, shownChannels).map(({ name, ioThread, sqlThread, lag, awayFor }) => {
      const behind = lag === null ? 'lag not known' : `${lag} s behind`
      const away = awayFor === undefined ? '' : `, source away for ${seconds(awayFor)} s`
      return [`replication${name && ` ${name}`}`, `I/O ${ioThread}, SQL ${sqlThread}, ${behind}${away}`]
    }),
  )

const stopped = (text: string): Reason => ({ code: 'replication-stopped', text })
