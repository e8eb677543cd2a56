// What on this host keeps the kernel datapath from working: nft, features of the kernel, rules of others. For the start, for
// each change of the rules, and for `balancer check`. Nothing is changed.

import { listRules, tryRules } from '../../os/nft.ts'
import { everyFeature, type Feature, features, missingText } from './core/features.ts'
import { type Path, type PathFinding, pathFindings, type SessionMark } from './core/path-findings.ts'
import { parseRuleset } from './core/ruleset.ts'

/** Lines about nft and the kernel without which no rules can be applied; none where all is well. */
export const missingForKernel = async (): Promise<readonly string[]> => {
  const all = await tryRules(everyFeature)
  if (all.ok) return []
  // Nft itself: each feature would say the same.
  if (all.code !== 'EIO') return [all.text]
  const missing: { readonly feature: Feature; readonly said: string }[] = []
  for (const feature of features) {
    const tried = await tryRules(feature.rules)
    if (!tried.ok) missing.push({ feature, said: tried.text })
  }
  // The simplest one: no feature is to blame.
  if (missing.some(({ feature }) => feature === features[0])) return [`${all.text}; run: nft list ruleset`]
  return missing.length > 0 ? missingText(missing) : [all.text]
}

/** Rules of others that are in the way, or one line that says why they cannot be read. */
export const foreignRules = async (
  paths: readonly Path[],
  mark: SessionMark,
  ours: readonly string[],
): Promise<readonly PathFinding[]> => {
  const unknown = (text: string): readonly PathFinding[] => [
    { isSure: false, text: `rules of other programs could not be looked at: ${text}` },
  ]
  const listed = await listRules()
  if (!listed.ok) return unknown(listed.text)
  const chains = parseRuleset(listed.value.json, listed.value.text)
  return chains === null
    ? unknown('nft answered with something that is no list of rules')
    : pathFindings(paths, chains, mark, ours)
}
