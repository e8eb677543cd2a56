// Which of the Linux capabilities that VRRP needs this process lacks.

import { readFile } from 'node:fs/promises'

/** Capabilities by the bit they have in /proc/self/status (linux/capability.h). */
const bits = { net_admin: 12n, net_raw: 13n } as const

/** Names as capabilities(7) and systemd have them, without `CAP_`. */
export type Capability = keyof typeof bits

/** Those of the wanted capabilities that the text of /proc/self/status does not show as effective. */
export const missingFrom = (status: string, wanted: readonly Capability[]): readonly Capability[] => {
  const [, mask] = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status) ?? []
  const effective = BigInt(`0x${mask ?? '0'}`)
  return wanted.filter((capability) => ((effective >> bits[capability]) & 1n) === 0n)
}

/** Those of the wanted capabilities that this process lacks. */
export const missingCapabilities = async (wanted: readonly Capability[]): Promise<readonly Capability[]> =>
  missingFrom(await readFile('/proc/self/status', 'utf8'), wanted)
