// Reads balancer.yaml and looks at the password files it names.

import { readFileSync, statSync } from 'node:fs'
import { checkWarnings } from './demand.ts'
import { checkDocument, type Problem } from './document.ts'
import { readPasswordFile } from './password-file.ts'
import { crossFieldFindings } from './rules.ts'
import { type BalancerConfig, balancerSchema, laterKeys } from './schema.ts'
import { readSecretFile } from './secret-file.ts'
import { withSecrets } from './secrets.ts'
import { withVrrpPasswords } from './vrrp-password.ts'

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
  const problemOf = (read: FileRead) => (read.ok ? undefined : read.problem)
  const rules = (input: unknown) =>
    crossFieldFindings(input, {
      password: (name) => problemOf(readPasswordFile(name)),
      secret: (name) => problemOf(readSecretFile(name)),
    })
  const checked = checkDocument(text, balancerSchema, rules, laterKeys)
  if (!checked.ok) return { ok: false, problems: checked.problems.map((problem) => problemLine(file, problem)) }
  const { vrrp, warnings } = withVrrpPasswords(checked.value.vrrp, file)
  return {
    ok: true,
    config: withSecrets({ ...checked.value, vrrp }),
    warnings: [...fileWarnings(checked.value), ...checkWarnings(checked.value.listeners), ...warnings],
  }
}

type FileRead =
  | { readonly ok: true; readonly warning: string | undefined }
  | { readonly ok: false; readonly problem: string }

const fileWarnings = ({ admin, listeners, vrrp }: BalancerConfig): readonly string[] => {
  const checks = listeners.flatMap(({ check }) => check)
  const reads: readonly FileRead[] = [
    ...(admin.http?.users ?? []).map((user) => readPasswordFile(user.password_file)),
    ...checks.flatMap((check) =>
      check.type === 'mysql' && check.password_file !== undefined ? [readSecretFile(check.password_file)] : [],
    ),
    ...vrrp.webhooks.flatMap(({ header_files: files }) => Object.values(files).map(readSecretFile)),
  ]
  return [...new Set(reads.flatMap((read) => (read.ok && read.warning !== undefined ? [read.warning] : [])))]
}

const problemLine = (file: string, problem: Problem): string =>
  `${file}:${problem.line}:${problem.column}: ${problem.path}: ${problem.text}`
