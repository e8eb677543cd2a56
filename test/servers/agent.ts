// Agents on the machine itself, for servers that they reach over their Unix sockets.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../agent/config/load.ts'
import { millis } from '../../agent/core/time.ts'
import { startHealth } from '../../agent/health.ts'
import type { Question } from '../../agent/verdict/core/question.ts'
import type { Lab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { agentProgram as entry } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

const questions: Readonly<Record<string, Question>> = {
  '/': { about: 'configured' },
  '/primary': { about: 'primary' },
  '/replica': { about: 'replica', maximumLag: null },
  '/replica?lag=5s': { about: 'replica', maximumLag: millis(5000) },
  '/galera': { about: 'galera' },
  '/group-replication': { about: 'group_replication' },
  '/ndb': { about: 'ndb' },
}

/** A running agent: how it answers a path, as `200 ok`, and the text of the reason. */
export type LocalAgent = {
  readonly ask: (path: string) => Promise<string>
  readonly reason: (path: string) => Promise<string>
  /** Waits until the answer is that. */
  readonly until: (path: string, answer: string) => Promise<void>
}

/** The check user of the matrix: it exists for localhost, and the servers listen where no agent of the tests is. */
export const chk = { user: 'mysqlchkusr', password: 'matrix-password' }

const until =
  (name: string, answer: (path: string) => Promise<string>): LocalAgent['until'] =>
  async (path, wanted) => {
    await waitFor(`${wanted} for ${path} of ${name}`, async () => {
      const seen = await answer(path)
      if (seen.replace(/;.*/, '') === wanted) return true
      throw new Error(`it is ${seen}`)
    })
  }

/**
 * The agent without its HTTP server, in this process: dozens of them cost no time. It probes until the test is over.
 * `check` are further keys of the check section.
 */
export const startHealthOf = (
  t: { readonly teardown: (end: () => void) => void },
  lab: Lab,
  { name, socket }: { readonly name: string; readonly socket: string },
  check: string,
): Omit<LocalAgent, 'reason'> => {
  const file = join(lab.directory, `${name}.yaml`)
  const login = `{ socket: ${socket}, client_address: none, user: ${chk.user}, password: ${chk.password} }`
  writeFileSync(file, `mysql: ${login}\ncheck: { interval: 200ms, max_age: 100ms, timeout: 5s, ${check} }\n`, {
    mode: 0o600,
  })
  const loaded = loadConfig(file, 'read')
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  const health = startHealth(loaded.config, { onReport: () => undefined, onProbe: () => undefined })
  t.teardown(health.stop)
  const answer = async (path: string): Promise<string> => {
    const question = questions[path]
    if (question === undefined) throw new Error(`no question for ${path}`)
    const { verdict, reason } = await health.report(question)
    return `${verdict === 'pass' ? 200 : 503} ${reason.code}; ${reason.text}`
  }
  return { ask: async (path) => (await answer(path)).replace(/;.*/, ''), until: until(name, answer) }
}

/** Starts the daemon. `check` are further keys of the check section. */
export const startLocalAgent = async (
  lab: Lab,
  name: string,
  { socket }: { readonly socket: string },
  check = 'mode: auto',
): Promise<LocalAgent> => {
  const directory = join(lab.directory, `agent-${name}`)
  const port = await freePort()
  mkdirSync(directory)
  const lines = [
    `listen: { address: 127.0.0.1, port: ${port} }`,
    `mysql: { socket: ${socket}, client_address: none, user: ${chk.user}, password: ${chk.password} }`,
    `check: { interval: 200ms, max_age: 100ms, ${check} }`,
    `force_fail_file: ${join(directory, 'proxyoff')}`,
  ]
  writeFileSync(join(directory, 'agent.yaml'), `${lines.join('\n')}\n`, { mode: 0o600 })
  const daemon = lab.spawn(`agent-${name}`, process.execPath, [entry, '--config', join(directory, 'agent.yaml')])
  await daemon.waitForOutput(/Started, listening on/)

  const answer = async (path: string): Promise<{ status: number; reason: string }> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(10_000) })
    await response.arrayBuffer()
    return { status: response.status, reason: response.headers.get('Mysqlchk-Reason') ?? 'none' }
  }
  const whole = async (path: string): Promise<string> => {
    const { status, reason } = await answer(path)
    return `${status} ${reason}`
  }
  return {
    ask: async (path) => (await whole(path)).replace(/;.*/, ''),
    reason: async (path) => (await answer(path)).reason,
    until: until(name, whole),
  }
}
