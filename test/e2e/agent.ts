// An agent on a host of a lab: its configuration file, the daemon, and the ways to ask it.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type HealthReport, parseHealthReport } from '../../shared/health-report.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import type { LabProcess } from '../lab/lab-process.ts'
import type { MariaDb } from '../lab/mariadb.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { agentProgram as entry } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

const port = 9222

/** An agent that runs on a host. */
export type Agent = {
  readonly host: Host
  readonly process: () => LabProcess
  readonly configFile: string
  readonly forceFailFile: string
  readonly configure: (settings: string) => void
  /** Runs another command of the agent with the same configuration. */
  readonly command: (...words: readonly string[]) => Promise<{ readonly code: number | null; readonly output: string }>
  /** The status code and the reason's code of the answer. */
  readonly ask: (path: string) => Promise<string>
  readonly report: () => Promise<HealthReport>
  /** Waits until the answer is that. */
  readonly until: (path: string, answer: string) => Promise<void>
}

/** Starts an agent for a server. `settings` are further lines of agent.yaml. */
export const startAgent = async (
  lab: Lab,
  host: Host,
  server: Pick<MariaDb, 'socket'>,
  settings = 'check: { timeout: 10s, interval: 200ms, max_age: 100ms }',
): Promise<Agent> => {
  const directory = join(lab.directory, `${host.name}-agent`)
  mkdirSync(directory, { recursive: true })
  const file = (name: string): string => join(directory, name)
  writeFileSync(file('password'), `${checkUser.password}\n`, { mode: 0o600 })
  const configure = (more: string): void => {
    const mysql = `mysql: { socket: ${server.socket}, user: ${checkUser.user}, password_file: ${file('password')} }`
    const own = /^mysql:/m.test(more) ? '' : `${mysql}\n`
    const listen = /^listen:/m.test(more) ? '' : `listen: { address: 0.0.0.0, port: ${port} }\n`
    writeFileSync(file('agent.yaml'), `${listen}${own}force_fail_file: ${file('proxyoff')}\n${more}\n`)
  }
  configure(settings)
  const daemon = host.spawn('agent', process.execPath, [entry, '--config', file('agent.yaml')])
  await daemon.waitForOutput(/Started, listening on/)

  const get = async (path: string): Promise<{ status: string; reason: string; body: string }> => {
    const { stdout } = await host.run('curl', ['-sS', '-i', `http://127.0.0.1:${port}${path}`])
    return {
      status: stdout.match(/^HTTP\/1\.1 (\d+)/)?.[1] ?? 'none',
      reason: stdout.match(/^Mysqlchk-Reason: ([a-z-]+);/im)?.[1] ?? 'none',
      body: stdout.replace(/^[\s\S]*?\r\n\r\n/, ''),
    }
  }
  const ask = async (path: string): Promise<string> => {
    const { status, reason } = await get(path)
    return `${status} ${reason}`
  }
  return {
    host,
    process: () => daemon,
    configFile: file('agent.yaml'),
    forceFailFile: file('proxyoff'),
    configure,
    command: async (...words) => {
      const { code, stdout, stderr } = await host.run(process.execPath, [
        entry,
        ...words,
        '--config',
        file('agent.yaml'),
      ])
      return { code, output: stdout + stderr }
    },
    ask,
    report: async () => {
      const parsed = parseHealthReport((await get('/status')).body)
      if (!parsed.ok) throw new Error(`/status is no report: ${parsed.reason}`)
      return parsed.report
    },
    until: async (path, answer) => {
      await waitFor(`${answer} for ${path} on ${host.name}`, async () => {
        const seen = await ask(path)
        if (seen !== answer) throw new Error(`it is ${seen}`)
        return true
      })
    },
  }
}
