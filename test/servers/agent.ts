// An agent on the machine itself, for a server that it reaches over its Unix socket.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'

const entry = fileURLToPath(new URL('../../agent/main.js', import.meta.url))
const patience = { limit: 60_000, interval: 100 }

/** A running agent: how it answers a path, as `200 ok`, and the text of the reason. */
export type LocalAgent = {
  readonly ask: (path: string) => Promise<string>
  readonly reason: (path: string) => Promise<string>
  /** Waits until the answer is that. */
  readonly until: (path: string, answer: string) => Promise<void>
}

/** The check user of the matrix. */
export const chk = { user: 'mysqlchkusr', password: 'matrix-password' }

/** Starts an agent. `check` are further keys of the check section. */
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
    `mysql: { socket: ${socket}, user: ${chk.user}, password: ${chk.password} }`,
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
  const ask = async (path: string): Promise<string> => {
    const { status, reason } = await answer(path)
    return `${status} ${reason.replace(/;.*/, '')}`
  }
  return {
    ask,
    reason: async (path) => (await answer(path)).reason,
    until: async (path, wanted) => {
      await waitFor(
        `${wanted} for ${path} of ${name}`,
        async () => {
          const seen = await answer(path)
          if (`${seen.status} ${seen.reason.replace(/;.*/, '')}` === wanted) return true
          throw new Error(`it is ${seen.status} ${seen.reason}`)
        },
        patience,
      )
    },
  }
}
