// What on this host keeps rules from working: nft, features of the kernel, and which rules others have. Nothing is changed.

import { listRules, tryRules } from '../../os/nft.ts'
import { type Outcome, refused } from '../../os/outcome.ts'
import { type Feature, missingText, rulesOfAll } from './core/feature.ts'
import { type Chain, parseRuleset } from './core/ruleset.ts'

/** Lines about nft and the kernel without which no rules can be applied; none where all is well. The simplest feature comes first. */
export const missingFeatures = async (features: readonly Feature[]): Promise<readonly string[]> => {
  const all = await tryRules(rulesOfAll(features))
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

/** All chains of this host; the refusal says why they cannot be read. */
export const readChains = async (): Promise<Outcome<readonly Chain[]>> => {
  const listed = await listRules()
  const because = (code: string, text: string) =>
    refused(code, `rules of other programs could not be looked at: ${text}`)
  if (!listed.ok) return because(listed.code, listed.text)
  const chains = parseRuleset(listed.value.json, listed.value.text)
  return chains === null
    ? because('EPROTO', 'nft answered with something that is no list of rules')
    : { ok: true, value: chains }
}
