// The version of this program. A test keeps it equal to package.json's, which a bundle does not carry.

/** Version of the agent, as the report and `--version` show it. */
export const version = '0.1.0'

/** The commit that a package was built from, which its build sets; a checkout has none here. */
export const commit: string | null = null
