// systemctl: whether a service runs and since when, and its restart.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'

type Answer = { readonly code: number; readonly said: string }

const limitMillis = 60_000

// UTC: a date with another zone's letters cannot be read.
const systemctl = (...words: readonly string[]): Promise<Answer> =>
  new Promise((resolve) => {
    const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C' }
    execFile('systemctl', [...words], { env, timeout: limitMillis }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, said: `${stdout}${stderr}`.trim() }),
    )
  })

/** Whether this host was booted by systemd. */
export const hasSystemd = (): boolean => existsSync('/run/systemd/system')

/** Since when the process of a unit runs, before it was given anything; null where it does not. */
export const runningSince = async (unit: string): Promise<Date | null> => {
  const state = await systemctl('is-active', unit)
  if (!['active', 'reloading', 'activating'].includes(state.said)) return null
  const { said } = await systemctl('show', '--timestamp=us', '--value', '--property=ExecMainStartTimestamp', unit)
  return new Date(
    Date.parse(
      said
        .replace(/^[A-Za-z]+ /, '')
        .replace(' UTC', 'Z')
        .replace(' ', 'T'),
    ),
  )
}

/**
 * Why systemd stops a unit now: a `restart`, a `stop` of its own, or the whole host goes down. Null where it does not tell.
 */
export const reasonOfStop = async (unit: string): Promise<'restart' | 'stop' | 'shutdown' | null> => {
  const host = await systemctl('is-system-running')
  if (host.said === 'stopping') return 'shutdown'
  const { code, said } = await systemctl('list-jobs', '--no-legend', '--plain')
  const [, job] =
    said
      .split('\n')
      .map((line) => line.trim().split(/\s+/).slice(1))
      .find(([name]) => name === unit) ?? []
  if (code !== 0 || job === undefined) return null
  return job === 'stop' ? 'stop' : job === 'restart' ? 'restart' : null
}

/** Restarts a unit; what systemctl said where that failed. */
export const restart = async (unit: string): Promise<string | null> => {
  const { code, said } = await systemctl('restart', unit)
  return code === 0 ? null : said
}
