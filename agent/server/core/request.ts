// What a request asks for: its method, path and parameters, or why it is none that the agent answers.

import { heartbeatBounds, watchPath } from '../../../shared/health-stream.ts'
import { parseDuration } from '../../core/duration.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { Question } from '../../verdict/core/question.ts'

/** A check of one path. `maintenance404`: a node under force-fail answers 404, HAProxy's `http-check disable-on-404`. */
export type CheckAsked = {
  readonly asks: 'check'
  readonly question: Question
  readonly wantsJson: boolean
  readonly maintenance404: boolean
}

/** The stream of what a check finds, with a heartbeat so often. */
export type WatchAsked = { readonly asks: 'watch'; readonly check: CheckAsked; readonly heartbeat: Millis }

/** What was asked. */
export type Asked =
  | CheckAsked
  | WatchAsked
  | { readonly asks: 'status' | 'liveness' | 'metrics' }
  | { readonly asks: 'nothing'; readonly status: 400 | 404 | 405; readonly text: string }

const methods = ['GET', 'HEAD', 'OPTIONS']

const checks: ReadonlyMap<string, Question['about']> = new Map([
  ['/', 'configured'],
  ['/primary', 'primary'],
  ['/writer', 'primary'],
  ['/master', 'primary'],
  // Patroni's names, where they mean the same.
  ['/leader', 'primary'],
  ['/health', 'configured'],
  ['/readiness', 'configured'],
  ['/read-only', 'configured'],
  ['/replica', 'replica'],
  ['/reader', 'replica'],
  ['/galera', 'galera'],
  ['/synced', 'galera'],
  ['/group-replication', 'group_replication'],
  ['/ndb', 'ndb'],
])

const pages: ReadonlyMap<string, 'status' | 'liveness' | 'metrics'> = new Map([
  ['/status', 'status'],
  ['/liveness', 'liveness'],
  ['/metrics', 'metrics'],
])

/** The paths that answer, in the order in which a 404 lists them. */
export const paths: readonly string[] = [...checks.keys(), ...pages.keys(), watchPath]

const usualHeartbeat = millis(1000)

/**
 * Reads method, target and Accept header. The target may be a path, `*` (which stands for `/`, as in HAProxy's
 * `option httpchk OPTIONS *`) or a whole URL. `isTolerant`: any method will do, and any path and parameter that is not
 * ours asks for `/`, as with the scripts under xinetd.
 */
export const parseRequest = (method: string, target: string, accept: string, isTolerant = false): Asked => {
  if (!isTolerant && !methods.includes(method)) {
    return { asks: 'nothing', status: 405, text: `use ${methods.join(', ')}` }
  }
  const [, path = '', query = ''] = /^([^?]*)\??([\s\S]*)$/.exec(target.replace(/^https?:\/\/[^/?]*/i, '')) ?? []
  const page = pages.get(path)
  if (page !== undefined) return query === '' ? { asks: page } : badRequest(`${path} takes no parameters`)
  if (path === watchPath) return parseWatch(query, isTolerant)
  const known = checks.get(path === '' || path === '*' ? '/' : path)
  if (known === undefined && !isTolerant) return { asks: 'nothing', status: 404, text: 'there is no such path' }

  const about = known ?? 'configured'
  // A role with a bound that is not understood must not pass for one without.
  const parameters = parseParameters(query, about, isTolerant && about === 'configured')
  if (!parameters.ok) return badRequest(parameters.text)
  const { maximumLag, maintenance404 } = parameters
  return {
    asks: 'check',
    question: about === 'replica' ? { about, maximumLag } : { about },
    wantsJson: /\bapplication\/json\b/i.test(accept),
    maintenance404,
  }
}

/** `path=` is the target of the check, percent-encoded where it has parameters of its own behind a `&`. */
const parseWatch = (query: string, isTolerant: boolean): Asked => {
  const told = new Map<string, string>()
  for (const word of query === '' ? [] : query.split('&')) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(word) ?? []
    if (!['path', 'heartbeat'].includes(name) || told.has(name)) {
      return badRequest(`parameters of ${watchPath} are path=/ and heartbeat=1s, each once`)
    }
    told.set(name, value)
  }
  const heartbeat = told.has('heartbeat') ? parseDuration(told.get('heartbeat') ?? '') : usualHeartbeat
  if (heartbeat === null || heartbeat < heartbeatBounds.shortest || heartbeat > heartbeatBounds.longest) {
    return badRequest('heartbeat is a duration from 100ms to 10s, such as heartbeat=250ms')
  }
  const target = decoded(told.get('path') ?? '/')
  const check = target === null ? null : parseRequest('GET', target, '', isTolerant)
  if (check?.asks === 'nothing') return check
  return check?.asks === 'check'
    ? { asks: 'watch', check, heartbeat }
    : badRequest('path is that of a check, such as path=/primary')
}

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

type Parameters =
  | { readonly ok: true; readonly maximumLag: Millis | null; readonly maintenance404: boolean }
  | { readonly ok: false; readonly text: string }

const parseParameters = (query: string, about: Question['about'], takesAny: boolean): Parameters => {
  const known = about === 'replica' ? 'lag=10s and maintenance=404' : 'maintenance=404'
  const words = query === '' ? [] : query.split('&').map((word) => word.split('='))
  let maximumLag: Millis | null = null
  let maintenance404 = false
  for (const [name, value = '', ...rest] of words) {
    if (name === 'maintenance' && value === '404' && rest.length === 0 && !maintenance404) {
      maintenance404 = true
    } else if (name === 'lag' && about === 'replica' && rest.length === 0 && maximumLag === null) {
      maximumLag = parseDuration(value)
      if (maximumLag === null) return { ok: false, text: 'lag is a duration with a unit, such as lag=10s' }
    } else if (!takesAny) {
      return { ok: false, text: `parameters of this path are ${known}, each once` }
    }
  }
  return { ok: true, maximumLag, maintenance404 }
}

const badRequest = (text: string): Asked => ({ asks: 'nothing', status: 400, text })
