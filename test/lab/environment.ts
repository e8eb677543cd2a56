// The environment that programs of a lab get.

/** The variables of this process and `extra`, without NODE_OPTIONS: tap puts its loaders there. */
export const environment = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const { NODE_OPTIONS: _, ...inherited } = process.env
  return { ...inherited, ...extra }
}
