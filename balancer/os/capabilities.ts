// The Linux capabilities of this process, and how a child is started with fewer of them.

import { readFileSync } from 'node:fs'

/** Capabilities by the bit they have in /proc/self/status (linux/capability.h). */
const bits = {
  chown: 0n,
  kill: 5n,
  setgid: 6n,
  setuid: 7n,
  setpcap: 8n,
  net_bind_service: 10n,
  net_admin: 12n,
  net_raw: 13n,
} as const

/** Names as capabilities(7) and systemd have them, without `CAP_`. */
export type Capability = keyof typeof bits

/** A capability as operators write it. */
export const capabilityName = (capability: Capability): string => `CAP_${capability.toUpperCase()}`

/** Those of the wanted capabilities that the text of /proc/self/status does not show as effective. */
export const missingFrom = (status: string, wanted: readonly Capability[]): readonly Capability[] => {
  const [, mask] = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status) ?? []
  const effective = BigInt(`0x${mask ?? '0'}`)
  return wanted.filter((capability) => ((effective >> bits[capability]) & 1n) === 0n)
}

/** Those of the wanted capabilities that this process lacks. */
export const missingCapabilities = (wanted: readonly Capability[]): readonly Capability[] =>
  missingFrom(readFileSync('/proc/self/status', 'utf8'), wanted)

/** What fork(3) of Node starts in the place of node itself. */
export type Confinement = { readonly execPath: string; readonly execArgv: string[] }

const setpriv = '/usr/bin/setpriv'

/**
 * Starts a child that keeps only these capabilities, as far as this process has them, and never gets others. They are those
 * of each of its threads, which a running process can no longer see to: so setpriv(1) becomes the child.
 */
export const confinementTo = (kept: readonly Capability[]): Confinement => {
  const missing = missingCapabilities(kept)
  const list = ['-all', ...kept.filter((one) => !missing.includes(one)).map((one) => `+${one}`)].join(',')
  const isRoot = process.geteuid?.() === 0
  // Root gets at each start what the bounding set has, anybody else what is ambient.
  const words = [
    '--no-new-privs',
    ...(canBound() ? [`--bounding-set=${list}`] : []),
    ...(isRoot ? ['--inh-caps=-all'] : [`--inh-caps=${list}`, `--ambient-caps=${list}`]),
  ]
  return { execPath: setpriv, execArgv: [...words, '--', process.execPath, ...process.execArgv] }
}

const canBound = (): boolean => missingCapabilities(['setpcap']).length === 0

/** Whether `confinementTo` takes anything away here: root without CAP_SETPCAP cannot give up what it has. */
export const canConfine = (): boolean => canBound() || process.geteuid?.() !== 0
