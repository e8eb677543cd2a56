// What on this host keeps the kernel datapath from working: nft, features of the kernel, rules of others. For the start, for
// each change of the rules, and for `balancer check`. Nothing is changed.

import { missingFeatures, readChains } from '../rules/host-check.ts'
import { features } from './core/features.ts'
import { type Path, type PathFinding, pathFindings, type SessionMark } from './core/path-findings.ts'

/** Lines about nft and the kernel without which no rules can be applied; none where all is well. */
export const missingForKernel = (): Promise<readonly string[]> => missingFeatures(features)

/** Rules of others that are in the way, or one line that says why they cannot be read. */
export const foreignRules = async (
  paths: readonly Path[],
  mark: SessionMark,
  ours: readonly string[],
): Promise<readonly PathFinding[]> => {
  const chains = await readChains()
  return chains.ok ? pathFindings(paths, chains.value, mark, ours) : [{ isSure: false, text: chains.text }]
}
