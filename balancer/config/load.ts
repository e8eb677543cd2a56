// Reads balancer.yaml and looks at the password files it names.

import { readFileSync, statSync } from 'node:fs'
import { checkDocument, type Problem } from './document.ts'
import { readPasswordFile } from './password-file.ts'
import { crossFieldFindings } from './rules.ts'
import { type BalancerConfig, balancerSchema, laterKeys } from './schema.ts'

/** Where the configuration stands unless `--config` says otherwise. */
export const defaultConfigFile = '/etc/balancer/balancer.yaml'

const maximumFileBytes = 4 * 1024 * 1024

/** A configuration with its warnings, or lines that say what is wrong: `file:line:column: path: what, and what to do`. */
export type LoadedConfig =
  | { readonly ok: true; readonly config: BalancerConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] }

/** Reads and checks a configuration file. Never throws. */
export const loadConfig = (file: string): LoadedConfig => {
  let text: string
  try {
    if (statSync(file).size > maximumFileBytes) return { ok: false, problems: [`${file}: larger than 4 MiB`] }
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { ok: false, problems: [`${file}: cannot be read: ${reason}; name another with --config FILE`] }
  }
  const rules = (input: unknown) =>
    crossFieldFindings(input, (name) => {
      const read = readPasswordFile(name)
      return read.ok ? undefined : read.problem
    })
  const checked = checkDocument(text, balancerSchema, rules, laterKeys)
  if (!checked.ok) return { ok: false, problems: checked.problems.map((problem) => problemLine(file, problem)) }
  const warnings = (checked.value.admin.http?.users ?? []).flatMap((user) => {
    const read = readPasswordFile(user.password_file)
    return read.ok && read.warning !== undefined ? [read.warning] : []
  })
  return { ok: true, config: checked.value, warnings }
}

const problemLine = (file: string, problem: Problem): string =>
  `${file}:${problem.line}:${problem.column}: ${problem.path}: ${problem.text}`
