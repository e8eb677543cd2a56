// From the path of agent.yaml to a typed configuration with the password in hand, or to every problem in it.

import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { checkDocument, type Finding, type Problem, type Written } from './document.ts'
import { isWorldReadable, readPasswordFile, unreadable } from './password-file.ts'
import { contradictions } from './rules.ts'
import { type AgentSettings, agentSchema, type MysqlTarget } from './schema.ts'

/** Where agent.yaml stands unless `--config` says otherwise. */
export const defaultConfigPath = '/etc/mysqlchk-agent/agent.yaml'

/** How to reach the server. The password is a function so that no log or dump of the configuration shows it. */
export type MysqlConfig = {
  readonly target: MysqlTarget
  readonly user: string
  readonly password: () => string
}

/** The typed configuration of one agent. Durations are `Millis`. */
export type AgentConfig = Omit<AgentSettings, 'mysql'> & { readonly mysql: MysqlConfig }

/** The configuration, or every problem; each line reads `file:line:col: path: what, and what to do`. */
export type LoadedConfig =
  | { readonly ok: true; readonly config: AgentConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[]; readonly warnings: readonly string[] }

/**
 * Reads and checks a configuration. With `secrets: 'skip'` the password stays empty and its file unread, for commands
 * that do not log in.
 */
export const loadConfig = (path: string, secrets: 'read' | 'skip'): LoadedConfig => {
  let text: string
  let mode: number
  try {
    text = readFileSync(path, 'utf8')
    mode = statSync(path).mode
  } catch (error) {
    return { ok: false, problems: [`${path}:1:1: (file): ${unreadable(path, error)}`], warnings: [] }
  }

  let filePassword: string | undefined
  const passwordRules = (written: Written): readonly Finding[] => {
    const passwordPath = ['mysql', 'password_file']
    const passwordFile = written(...passwordPath)
    if (written('mysql', 'password') !== undefined && isWorldReadable(mode)) {
      const text = `everybody on this host can read the password in ${path}; chmod 640 it, or use password_file`
      return [{ severity: 'warning', path: ['mysql', 'password'], text }]
    }
    if (secrets === 'skip' || typeof passwordFile !== 'string' || !passwordFile.startsWith('/')) return []
    const read = readPasswordFile(passwordFile)
    if (!read.ok) return [{ severity: 'error', path: passwordPath, text: read.text }]
    filePassword = read.password
    if (!read.worldReadable) return []
    const text = `everybody on this host can read ${passwordFile}; chmod 640 it`
    return [{ severity: 'warning', path: passwordPath, text }]
  }

  const checked = checkDocument(text, agentSchema, (written) => [
    ...contradictions(written),
    ...passwordRules(written),
    ...unreachableForceFail(written),
  ])
  const warnings = checked.warnings.map((warning) => line(path, { ...warning, text: `warning: ${warning.text}` }))
  if (!checked.ok) return { ok: false, problems: checked.problems.map((problem) => line(path, problem)), warnings }

  const { mysql, ...settings } = checked.value
  const password = filePassword ?? mysql.password
  const config = { ...settings, mysql: { target: mysql.target, user: mysql.user, password: () => password } }
  return { ok: true, config, warnings }
}

/** A force-fail file in a directory that we may not enter would never be seen. */
const unreachableForceFail = (written: Written): readonly Finding[] => {
  const file = written('force_fail_file')
  if (typeof file !== 'string' || !file.startsWith('/')) return []
  try {
    accessSync(dirname(file), constants.X_OK)
    return []
  } catch {
    const text = `${dirname(file)} does not exist or may not be entered by this user; no force-fail file is seen there`
    return [{ severity: 'warning', path: ['force_fail_file'], text }]
  }
}

const line = (file: string, { line, column, path, text }: Problem): string =>
  `${file}:${line}:${column}: ${path}: ${text}`
