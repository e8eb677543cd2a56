// What HAProxy's `show info` tells (management guide, section 9.3), key by key: its tools look for them. What does not exist
// here is 0, as in an HAProxy that does not use it.

import type { Status } from '../model/status.ts'
import { typedFormatIn, typedInfo } from './haproxy-typed.ts'

/** What the process that answers knows of itself. `idle` is the share of its time, 0 to 1, in which it had nothing to do. */
export type ProcessFacts = {
  readonly pid: number
  readonly uptimeSeconds: number
  readonly startedAt: number
  readonly released: string
  readonly idle: number
  readonly openFiles: number
}

const secondsPerDay = 86_400
const secondsPerHour = 3600
const secondsPerMinute = 60
const millisPerSecond = 1000

const sum = (numbers: readonly (number | null)[]): number => numbers.reduce<number>((all, one) => all + (one ?? 0), 0)
const most = (numbers: readonly (number | null)[]): number => Math.ceil(Math.max(0, ...numbers.map((one) => one ?? 0)))
const two = (number: number): string => `${number}`.padStart(2, '0')

/** `Key: value`, a line each, or with `typed` or `json` among the words in these formats. */
export const infoText = (status: Status, process: ProcessFacts, words: readonly string[]): string => {
  const values = infoOf(status, process)
  const format = typedFormatIn(words)
  if (format !== undefined) return typedInfo(values, format)
  return Object.entries(values)
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n')
}

/** Rates of all listeners are added; the highest there was is that of the busiest one. */
const infoOf = (status: Status, process: ProcessFacts): Readonly<Record<string, string | number>> => {
  const { listeners } = status
  const current = sum(listeners.map(({ sessions }) => sessions))
  const total = sum(listeners.map(({ total_sessions: all }) => all))
  const limit = sum(listeners.map(({ session_limit: one }) => one))
  const rate = Math.round(sum(listeners.map(({ session_rate: one }) => one)))
  const maximumRate = most(listeners.map(({ maximum_session_rate: one }) => one))
  const bytesOut = sum(listeners.flatMap(({ servers }) => servers.map(({ bytes_out: bytes }) => bytes)))
  const peers = status.peers?.peers ?? []
  const isDraining = status.draining.length > 0
  return {
    Name: 'balancer',
    Version: status.version,
    Release_date: process.released,
    Nbthread: 1,
    Nbproc: 1,
    Process_num: 1,
    Pid: process.pid,
    Uptime: uptimeText(process.uptimeSeconds),
    Uptime_sec: process.uptimeSeconds,
    Memmax_MB: 0,
    PoolAlloc_MB: 0,
    PoolUsed_MB: 0,
    PoolFailed: 0,
    'Ulimit-n': process.openFiles,
    Maxsock: process.openFiles,
    Maxconn: limit,
    Hard_maxconn: limit,
    CurrConns: current,
    CumConns: total,
    CumReq: total,
    MaxSslConns: 0,
    CurrSslConns: 0,
    CumSslConns: 0,
    Maxpipes: 0,
    PipesUsed: 0,
    PipesFree: 0,
    ConnRate: rate,
    ConnRateLimit: 0,
    MaxConnRate: maximumRate,
    SessRate: rate,
    SessRateLimit: 0,
    MaxSessRate: maximumRate,
    SslRate: 0,
    SslRateLimit: 0,
    MaxSslRate: 0,
    SslFrontendKeyRate: 0,
    SslFrontendMaxKeyRate: 0,
    SslFrontendSessionReuse_pct: 0,
    SslBackendKeyRate: 0,
    SslBackendMaxKeyRate: 0,
    SslCacheLookups: 0,
    SslCacheMisses: 0,
    CompressBpsIn: 0,
    CompressBpsOut: 0,
    CompressBpsRateLim: 0,
    Tasks: current,
    Run_queue: 0,
    Idle_pct: Math.round(process.idle * 100),
    node: status.router_id,
    Stopping: 0,
    Jobs: current,
    'Unstoppable Jobs': isDraining ? sum(status.draining.map(({ sessions }) => sessions)) : 0,
    Listeners: sum(listeners.map(({ binds }) => binds.length)),
    ActivePeers: peers.length,
    ConnectedPeers: peers.filter(({ connected }) => connected).length,
    DroppedLogs: 0,
    BusyPolling: 0,
    FailedResolutions: 0,
    TotalBytesOut: bytesOut,
    TotalSplicdedBytesOut: 0,
    BytesOutRate: 0,
    DebugCommandsIssued: 0,
    CumRecvLogs: 0,
    'Build info': status.version,
    Memmax_bytes: 0,
    PoolAlloc_bytes: 0,
    PoolUsed_bytes: 0,
    Start_time_sec: Math.floor(process.startedAt / millisPerSecond),
    Tainted: 0,
  }
}

/** `0d 2h05m09s`. */
const uptimeText = (seconds: number): string => {
  const [days, rest] = [Math.floor(seconds / secondsPerDay), seconds % secondsPerDay]
  const [hours, minutes] = [Math.floor(rest / secondsPerHour), Math.floor((rest % secondsPerHour) / secondsPerMinute)]
  return `${days}d ${hours}h${two(minutes)}m${two(rest % secondsPerMinute)}s`
}
