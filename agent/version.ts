// The version of this program. A test keeps it equal to package.json's, which a bundle does not carry.

/** Version of the agent, as the report and `--version` show it. */
export const version = '0.1.0'

/** What a package was built from, which its build writes here; null in a checkout. */
export const builtFrom: string | null = null
