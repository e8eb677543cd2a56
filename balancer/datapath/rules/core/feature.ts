// What a datapath asks of nft and of the kernel, each in the smallest rules that need it: `nft -c` tries them, and keeps nothing.

/** Something that a kernel may have been built without: its name, where it comes from, and rules that need it. */
export type Feature = { readonly name: string; readonly module: string; readonly rules: string }

/** The name of the table in the rules of a feature. */
export const trialTable = 'balancer_trial'

/** All at once: what nearly every host passes in one go. Each table has a name of its own. */
export const rulesOfAll = (features: readonly Feature[]): string =>
  features.map(({ rules }, i) => rules.replace(trialTable, `${trialTable}_${i}`)).join('')

/** A line for the operator about features that nft or the kernel refused, with what nft said. */
export const missingText = (
  missing: readonly { readonly feature: Feature; readonly said: string }[],
): readonly string[] =>
  missing.map(
    ({ feature: { name, module }, said }) =>
      `the kernel of this host has no ${name} (module ${module}; ${said}): load it with modprobe, or install the kernel package with all modules; else write datapath: userspace`,
  )
