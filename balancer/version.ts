// The version of this program.

/** As in package.json; a test compares them. */
export const version = '0.1.0'

/** What a package was built from, which its build writes here; null in a checkout. */
export const builtFrom: string | null = null
