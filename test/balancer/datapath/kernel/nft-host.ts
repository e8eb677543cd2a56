// The real nft in a network namespace of its own: what is applied and what is there then.

import type { Test } from 'tap'
import { tableName } from '../../../../balancer/datapath/kernel/core/names.ts'
import { type Listing, readListing } from '../../../../balancer/datapath/rules/core/listing.ts'
import type { Host } from '../../../lab/host.ts'
import { createLab } from '../../../lab/lab.ts'

/** A host without a switch's traffic; it goes with the test. */
export const nftHost = async (t: Test): Promise<Host> => {
  const lab = await createLab({ name: 'nft' })
  t.teardown(() => lab.destroy())
  return lab.addHost('lb1', '198.18.6.2/16')
}

/** Applies a text in one transaction; throws what nft says where it refuses. */
export const applyText = async (host: Host, text: string): Promise<void> => {
  const answer = await host.run('nft', ['-f', '-'], { input: text })
  if (answer.code !== 0) throw new Error(`nft: ${answer.stderr.slice(0, 2000)}`)
}

/** What is in our table now. */
export const listTable = async (host: Host): Promise<Listing> => {
  const answer = await host.run('nft', ['-j', 'list', 'table', 'inet', tableName])
  const listing = answer.code === 0 ? readListing(JSON.parse(answer.stdout)) : null
  if (listing === null) throw new Error(`nft: ${answer.stderr}${answer.stdout.slice(0, 2000)}`)
  return listing
}
