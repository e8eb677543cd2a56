// A Galera cluster on the hosts of a lab.

import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import { type MariaDb, startMariaDb } from './mariadb.ts'

/** Settings for every node, and a callback with one sentence per step. */
export type GaleraOptions = {
  readonly settings?: Readonly<Record<string, string>>
  readonly onProgress?: (line: string) => void
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Starts a server on every host, the first as the cluster's bootstrap, and returns them when all are synced. */
export const startGalera = async (
  lab: Lab,
  hosts: readonly Host[],
  { settings = {}, onProgress = () => undefined }: GaleraOptions = {},
): Promise<readonly MariaDb[]> => {
  const begun = performance.now()
  const nodes = hosts.map(({ address }) => address)
  const startNode = async (host: Host, index: number): Promise<MariaDb> => {
    const galera = { address: host.address, nodes, bootstrap: index === 0 }
    const node = await startMariaDb({ lab, host, name: host.name, galera, settings })
    onProgress(`${host.name} is synced (${index + 1} of ${hosts.length}, after ${seconds(begun)})`)
    return node
  }
  const [first, ...others] = hosts
  if (first === undefined) return []
  const bootstrapped = await startNode(first, 0)
  return [bootstrapped, ...(await Promise.all(others.map((host, index) => startNode(host, index + 1))))]
}
