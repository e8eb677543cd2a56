// The command line: which command with which options, or what is wrong with it.

import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { closest } from 'fastest-levenshtein'
import { defaultConfigPath } from '../config/places.ts'
import { parseDuration } from '../core/duration.ts'
import type { Millis } from '../core/time.ts'
import type { SetupWords } from '../setup/core/words.ts'

/** The commands of `mysqlchk-agent`; `run` is meant where none is given. */
export const commands = ['run', 'check', 'once', 'fail', 'pass', 'compare', 'setup-user', 'direct-return'] as const

/**
 * What to do. `path` and `json` belong to `once`, `reason` and `lasts` (null: until `pass`) to `fail`. `requests` is a file,
 * null for the usual ones.
 */
export type Invocation =
  | {
      readonly command: Exclude<(typeof commands)[number], 'compare' | 'setup-user' | 'direct-return'>
      readonly config: string
      readonly path: string
      readonly json: boolean
      readonly reason: string
      readonly lasts: Millis | null
      /** `fail`: it outlives a reboot. `check`: with a login. */
      readonly reboot?: true
      readonly login?: true
    }
  | {
      readonly command: 'compare'
      readonly config: string
      readonly script: { readonly file: string; readonly args: readonly string[] }
      readonly requests: string | null
    }
  | ({ readonly command: 'setup-user'; readonly config: string } & SetupWords)
  | {
      readonly command: 'direct-return'
      readonly config: string
      readonly action: (typeof directReturnActions)[number]
      readonly watch: boolean
      readonly json: boolean
    }
  | { readonly command: 'help' | 'version' }
  | { readonly command: 'usage-error'; readonly text: string }

/** What `direct-return` does. */
const directReturnActions = ['up', 'down', 'status'] as const

const options = {
  config: { type: 'string', short: 'c' },
  json: { type: 'boolean' },
  path: { type: 'string' },
  for: { type: 'string' },
  lasting: { type: 'boolean' },
  login: { type: 'boolean' },
  watch: { type: 'boolean' },
  script: { type: 'string' },
  requests: { type: 'string' },
  apply: { type: 'boolean' },
  socket: { type: 'string' },
  user: { type: 'string' },
  'option-file': { type: 'string' },
  'password-from': { type: 'string' },
  'set-password': { type: 'boolean' },
  hosts: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
} as const

const setupOptions = ['apply', 'socket', 'user', 'option-file', 'password-from', 'set-password', 'hosts'] as const

const longestFail = parseDuration('365d') ?? 0

/** Parses the words after the program's name. Never throws. */
export const parseArguments = (words: readonly string[]): Invocation => {
  const { values, positionals, tokens } = parseArgs({
    args: [...words],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const known = Object.entries(options).find(([name]) => name === token.name)?.[1]
    if (known === undefined) {
      const names = Object.keys(options).map((name) => `--${name}`)
      return usageError(`unknown option ${token.rawName}; did you mean ${closest(token.rawName, names)}?`)
    }
    if (known.type === 'string' && (token.value === undefined || token.value === '')) {
      return usageError(`${token.rawName} needs a value, as in --config ${defaultConfigPath}, --path / or --for 30m`)
    }
    if (known.type === 'boolean' && token.value !== undefined) return usageError(`${token.rawName} takes no value`)
  }
  if (values.help === true) return { command: 'help' }
  if (values.version === true) return { command: 'version' }

  const [word = 'run', ...rest] = positionals
  const command = commands.find((known) => known === word)
  if (command === undefined) {
    return usageError(`unknown command ${word}; did you mean ${closest(word, commands)}? Known: ${commands.join(', ')}`)
  }
  if (command === 'direct-return') {
    const [action, ...more] = rest
    return directReturn(
      action,
      more,
      tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : [])),
      values,
    )
  }
  if (values.watch !== undefined) return usageError(`--watch belongs to direct-return up, not to ${command}`)
  if (command !== 'once' && (values.json !== undefined || values.path !== undefined)) {
    return usageError(`--json and --path belong to the command once, not to ${command}`)
  }
  if (command !== 'fail' && values.for !== undefined)
    return usageError(`--for belongs to the command fail, not to ${command}`)
  if (command !== 'fail' && values.lasting !== undefined) {
    return usageError(`--lasting belongs to the command fail, not to ${command}`)
  }
  if (command !== 'check' && values.login !== undefined) {
    return usageError(`--login belongs to the command check, not to ${command}`)
  }
  if (command !== 'compare' && (values.script !== undefined || values.requests !== undefined)) {
    return usageError(`--script and --requests belong to the command compare, not to ${command}`)
  }
  const [stray] = setupOptions.filter((name) => command !== 'setup-user' && values[name] !== undefined)
  if (stray !== undefined) return usageError(`--${stray} belongs to the command setup-user, not to ${command}`)
  if (command === 'compare' && values.script === undefined) {
    return usageError('compare needs --script FILE: what stands after server = in the file of xinetd')
  }
  const lasts = typeof values.for === 'string' ? parseDuration(values.for) : null
  if (values.for !== undefined && !(lasts !== null && lasts > 0 && lasts <= longestFail)) {
    return usageError(`--for ${String(values.for)}: write a duration with a unit up to 365d, as in --for 30m`)
  }
  if (command !== 'fail' && command !== 'compare' && rest.length > 0) {
    return usageError(`${command} takes no further words, found ${rest.join(' ')}`)
  }
  const config = textOr(values.config, defaultConfigPath)
  if (command === 'setup-user') {
    const hosts = typeof values.hosts === 'string' ? values.hosts.split(',').map((host) => host.trim()) : []
    const wrong = hosts.find((host) => isIP(host) === 0)
    if (wrong !== undefined) {
      return usageError(
        `--hosts: "${wrong}" is no address; write those of the other nodes, as in --hosts 10.1.6.204,10.1.6.205`,
      )
    }
    return {
      command,
      config,
      apply: values.apply === true,
      setPassword: values['set-password'] === true,
      socket: textOrNull(values.socket),
      user: textOrNull(values.user),
      optionFile: textOrNull(values['option-file']),
      passwordFrom: textOrNull(values['password-from']),
      hosts,
    }
  }
  if (command === 'compare') {
    return {
      command,
      config,
      script: { file: textOr(values.script, ''), args: rest },
      requests: textOrNull(values.requests),
    }
  }
  return {
    command,
    config,
    path: textOr(values.path, '/'),
    json: values.json === true,
    reason: rest.join(' '),
    lasts,
    ...(values.lasting === true ? { reboot: true as const } : {}),
    ...(values.login === true ? { login: true as const } : {}),
  }
}

const directReturn = (
  word: string | undefined,
  more: readonly string[],
  given: readonly string[],
  {
    config,
    watch,
    json,
  }: { readonly config?: string | boolean; readonly watch?: string | boolean; readonly json?: string | boolean },
): Invocation => {
  const action = directReturnActions.find((known) => known === word)
  if (action === undefined) {
    return usageError(`direct-return takes one of ${directReturnActions.join(', ')}, found ${word ?? 'nothing'}`)
  }
  const allowed = ['config', ...(action === 'up' ? ['watch'] : []), ...(action === 'status' ? ['json'] : [])]
  const stray = given.find((name) => !allowed.includes(name))
  if (stray !== undefined) return usageError(`--${stray} does not belong to direct-return ${action}`)
  if (more.length > 0) return usageError(`direct-return ${action} takes no further words, found ${more.join(' ')}`)
  return {
    command: 'direct-return',
    action,
    config: textOr(config, defaultConfigPath),
    watch: watch === true,
    json: json === true,
  }
}

const textOr = (value: string | boolean | undefined, otherwise: string): string =>
  typeof value === 'string' ? value : otherwise

const textOrNull = (value: string | boolean | undefined): string | null => (typeof value === 'string' ? value : null)

const usageError = (text: string): Invocation => ({ command: 'usage-error', text })

/** What `--help` prints. */
export const help = `mysqlchk-agent tells over HTTP whether the MySQL or MariaDB server of this host can serve.

  mysqlchk-agent [run] [--config FILE]    answer on the configured port until stopped
  mysqlchk-agent check [--config FILE] [--login]
                                          check the configuration file and list every problem; log in as it says
  mysqlchk-agent once  [--config FILE] [--path /] [--json]
                                          probe once and print what the HTTP answer would be
  mysqlchk-agent compare --script FILE [--requests FILE] [-- WORD …]
                                          ask the script of xinetd and the agent the same, show both answers
  mysqlchk-agent fail  [--for 30m] [--lasting] [REASON]
                                          take this node out: create the force-fail file; a lasting one survives a reboot
  mysqlchk-agent pass                     bring it back: remove the force-fail files
  mysqlchk-agent setup-user [--apply] [--hosts ADDRESS,…] [--password-from FILE] [--set-password]
                            [--socket PATH] [--user NAME] [--option-file FILE]
                                          print the SQL that makes the check user on this server; run it, and write its
                                          password file. As root
  mysqlchk-agent direct-return up|down|status [--watch] [--json]
                                          prepare this host for listeners with datapath: direct, and stay to repair it;
                                          undo that; tell how it stands. As root
  mysqlchk-agent --version

FILE is ${defaultConfigPath} unless given.
Paths of the answer, 200 or 503: / /primary /replica[?lag=10s] /galera /group-replication /ndb
Always 200: /status (the report as JSON), /metrics (Prometheus), /liveness (the agent itself).
SIGHUP reloads the configuration, SIGTERM stops.
Exit status: 0 done or passing, 1 failing or not started, 64 wrong command line, 78 bad configuration.
`
