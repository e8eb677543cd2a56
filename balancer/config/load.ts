// Reads balancer.yaml and looks at the password files it names.

import { readFileSync, statSync } from 'node:fs'
import { textOf } from '../core/error-text.ts'
import { oneLine } from '../core/text.ts'
import { type HostNetwork, readHostNetwork } from '../os/host-network.ts'
import { checkWarnings } from './demand.ts'
import { checkDocument, type Problem } from './document.ts'
import { withPeersKey } from './peers-key.ts'
import { crossFieldFindings, type Place } from './rules.ts'
import { type BalancerConfig, balancerSchema, laterKeys } from './schema.ts'
import { withSecrets } from './secrets.ts'
import { withVrrpPasswords } from './vrrp-password.ts'

/** Of a file that nobody looks at: its reader alone may read it. */
const unknownMode = 0o600
const maximumFileBytes = 4 * 1024 * 1024
/** A key or a value may come from anywhere, and be shown on any terminal. */
const longestLine = 2000

/** A configuration with its text and warnings, or lines that say what is wrong: `file:line:column: path: what, and what to do`. */
export type LoadedConfig =
  | { readonly ok: true; readonly config: BalancerConfig; readonly text: string; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] }

/** The first line of the file that the package brings: nobody has put the addresses of a real network into it. */
export const unconfiguredMark =
  '# NOT CONFIGURED: run "balancer setup", or put your own addresses in and remove this line.'

/** Whether a configuration is the example of the package, however it was edited, with its mark still there. */
export const isUnconfigured = (text: string): boolean => /^#\s*NOT CONFIGURED\b/m.test(text)

const notConfigured = (file: string): string =>
  `${file}: this balancer is not configured yet; run: balancer setup (or edit the file and remove its line "# NOT CONFIGURED …"), then: systemctl enable --now balancer`

/**
 * Reads and checks a configuration file, and how it fits the network of this `host`, unless that is null. With `known` that is
 * its text, whatever the file says now. Never throws.
 */
export const loadConfig = (
  file: string,
  host: HostNetwork | null = readHostNetwork(),
  known: string | null = null,
): LoadedConfig => {
  let text: string
  let place: Place
  try {
    const { size, mode } = known === null ? statSync(file) : { size: 0, mode: unknownMode }
    if (size > maximumFileBytes) return { ok: false, problems: [`${file}: larger than 4 MiB`] }
    text = known ?? readFileSync(file, 'utf8')
    place = { file: { path: file, mode }, host }
  } catch (error) {
    return { ok: false, problems: [`${file}: cannot be read: ${textOf(error)}; name another with --config FILE`] }
  }
  if (isUnconfigured(text)) return { ok: false, problems: [notConfigured(file)] }
  const checked = checkDocument(text, balancerSchema, (input) => crossFieldFindings(input, place), laterKeys)
  if (!checked.ok) return { ok: false, problems: checked.problems.map((problem) => problemLine(file, problem)) }
  const warnings = checked.warnings.map((warning) => problemLine(file, warning))
  const config = withPeersKey(withSecrets({ ...checked.value, vrrp: withVrrpPasswords(checked.value.vrrp) }))
  return { ok: true, config, text, warnings: [...warnings, ...checkWarnings(config.listeners)] }
}

const problemLine = (file: string, { line, column, path, text }: Problem): string =>
  oneLine(`${file}:${line}:${column}: ${path}: ${text}`, longestLine)
