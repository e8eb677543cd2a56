// What an operator may ask of setup-user.

/** The options of the command line; null where one is not given. */
export type SetupWords = {
  readonly apply: boolean
  /** Change the password of a user that exists. */
  readonly setPassword: boolean
  readonly socket: string | null
  readonly user: string | null
  readonly optionFile: string | null
  /** A file with the password; `-` is standard input. */
  readonly passwordFrom: string | null
  /** Addresses of further nodes whose agents log in. */
  readonly hosts: readonly string[]
}
