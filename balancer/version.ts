// The version of this program.

/** As in package.json; a test compares them. */
export const version = '0.1.0'

/** The commit that a package was built from, which its build sets; a checkout has none here. */
export const commit: string | null = null
