// From the path of agent.yaml to a typed configuration with the password in hand, or to every problem in it.

import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { oneLine } from '../core/text.ts'
import type { ListenAddress } from '../server/listening.ts'
import { addressFindings } from './address-rules.ts'
import { type DirectReturnConfig, directReturnFindings, directReturnOf } from './direct-return.ts'
import { checkDocument, type Finding, type Problem, type Written } from './document.ts'
import { loginOf, type MysqlConfig, noLoginSources, readLoginSources, type Secrets } from './login.ts'
import { unreadable } from './password-file.ts'
import { contradictions } from './rules.ts'
import { type AgentSettings, agentSchema } from './schema.ts'
import { readTlsFiles, type TlsMaterial } from './tls-files.ts'

/** The typed configuration of one agent, with all that it points to read in. Durations are `Millis`. */
export type AgentConfig = Omit<
  AgentSettings,
  'mysql' | 'listen' | 'response' | 'direct_return' | 'direct_return_directory'
> & {
  readonly direct_return: DirectReturnConfig
  readonly response: AgentSettings['response'] & { readonly compatibility: boolean }
  readonly mysql: MysqlConfig
  readonly listen: ListenAddress & { readonly tls: TlsMaterial | null }
}

/** The configuration, or every problem; each line reads `file:line:col: path: what, and what to do`. */
export type LoadedConfig =
  | { readonly ok: true; readonly config: AgentConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[]; readonly warnings: readonly string[] }

/** Reads and checks a configuration. */
export const loadConfig = (path: string, secrets: Secrets): LoadedConfig => {
  let text: string
  let mode: number
  try {
    text = readFileSync(path, 'utf8')
    mode = statSync(path).mode
  } catch (error) {
    return { ok: false, problems: [`${path}:1:1: (file): ${unreadable(path, error)}`], warnings: [] }
  }

  let sources = noLoginSources
  let tls: TlsMaterial | null = null
  const checked = checkDocument(text, agentSchema, (written) => {
    sources = readLoginSources(written, { path, mode }, secrets)
    const tlsFiles = readTlsFiles(written, secrets)
    tls = tlsFiles.material
    const read = [...sources.findings, ...tlsFiles.findings]
    return [
      ...contradictions(written),
      ...addressFindings(written),
      ...directReturnFindings(written),
      ...read,
      ...unreachableForceFail(written),
    ]
  })
  const warnings = checked.warnings.map((warning) => line(path, { ...warning, text: `warning: ${warning.text}` }))
  if (!checked.ok) return { ok: false, problems: checked.problems.map((problem) => line(path, problem)), warnings }
  const {
    mysql,
    listen,
    response,
    direct_return: _entries,
    direct_return_directory: _place,
    ...settings
  } = checked.value
  const compatibility = response.compatibility ?? response.body !== 'json'
  return {
    ok: true,
    config: {
      ...settings,
      direct_return: directReturnOf(checked.value, path),
      mysql: loginOf(mysql, sources),
      listen: { ...listen, tls },
      response: { ...response, compatibility },
    },
    warnings,
  }
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

/** A key or a value may come from anywhere, and be shown on any terminal. */
const longestLine = 2000

const line = (file: string, { line, column, path, text }: Problem): string =>
  oneLine(`${file}:${line}:${column}: ${path}: ${text}`, longestLine)
