// The environment that programs of a lab get.

/**
 * The variables of this process and `extra`, without NODE_OPTIONS, where tap puts its loaders, and NODE_EXTRA_CA_CERTS: each Node would
 * read all authorities of this machine when it starts, which takes as long as all the rest of its start.
 */
export const environment = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const { NODE_OPTIONS: _, NODE_EXTRA_CA_CERTS: __, ...inherited } = process.env
  return { ...inherited, ...extra }
}
