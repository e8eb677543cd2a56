// A Galera cluster on the hosts of a lab.

import { join } from 'node:path'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import { type MariaDb, type MariaDbOptions, startMariaDb } from './mariadb.ts'
import { copyData } from './mariadb-files.ts'
import { waitFor } from './wait-for.ts'

/** Settings for every node, and a callback with one sentence per step. */
export type GaleraOptions = {
  readonly settings?: Readonly<Record<string, string>>
  readonly onProgress?: (line: string) => void
}

const waitForMembers = async (node: MariaDb, members: number): Promise<void> => {
  await waitFor(`${members} members in the cluster of ${node.name}`, async () => {
    const [size] = await node.query("SHOW STATUS LIKE 'wsrep_cluster_size'")
    return Number(size?.['Value']) >= members
  })
}

/**
 * Starts a server on every host, the first as the cluster's bootstrap, and returns them when all are synced. All begin
 * with the same state of the cluster, so that joining is a matter of a second and no node is a donor.
 */
export const startGalera = async (
  lab: Lab,
  hosts: readonly Host[],
  { settings = {}, onProgress = () => undefined }: GaleraOptions = {},
): Promise<readonly MariaDb[]> => {
  const [firstHost, ...otherHosts] = hosts
  if (firstHost === undefined) return []
  const begun = performance.now()
  const nodes = hosts.map(({ address }) => address)
  const report = ({ name }: MariaDb): void => {
    onProgress(`${name} is synced after ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  }
  const optionsFor = (host: Host, bootstrap: boolean): MariaDbOptions => {
    return { lab, host, name: host.name, galera: { address: host.address, nodes, bootstrap }, settings }
  }

  const first = await startMariaDb(optionsFor(firstHost, true))
  await first.stop()
  const dataFrom = join(lab.directory, 'galera-template')
  await copyData(first.dataDirectory, dataFrom)
  await first.start({ bootstrap: true })
  report(first)
  const others: Promise<MariaDb>[] = []
  for (const host of otherHosts) {
    const node = startMariaDb({ ...optionsFor(host, false), dataFrom })
    others.push(node)
    node.then(report, () => undefined)
    // Two nodes that join at the same moment hold each other up for many seconds; one that is a member disturbs no more.
    await Promise.race([node, waitForMembers(first, others.length + 1)])
  }
  return [first, ...(await Promise.all(others))]
}
