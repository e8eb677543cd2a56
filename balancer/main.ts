// The balancer command: reads its arguments and runs what they ask for.

import { parseArgs } from 'node:util'
import { orderUsage, runtimeWords, shownWords } from './admin/core/commands/usage.ts'
import { exitConfig, exitUsage } from './commands/exit.ts'
import { survivePipes } from './commands/pipes.ts'
import { askRunning } from './commands/runtime.ts'
import { versionText } from './commands/version.ts'
import { defaultConfigFile } from './config/places.ts'
import { nearest } from './core/near-word.ts'
import { version } from './version.ts'

const help = `balancer ${version} - one address in front of a MySQL or MariaDB cluster

  balancer [run] [--config FILE]     run in the foreground; stops cleanly on SIGTERM and Ctrl-C
  balancer setup                     ask for what differs from host to host, and write the configuration; setup --help
  balancer check [--config FILE]     check the configuration; exit 0, or ${exitConfig} with every problem and its place;
                                     tell what each tracked failure will lead to
  balancer show [${shownWords.join('|')}] [--json] [--color=WHEN] [--watch[=2s]]
                                     ask the running balancer, for servers unless told; --watch goes on looking, at the whole
${orderUsage}
  balancer notify --test             run every notification script and webhook once; exit 0, or 1 if one fails
  balancer release [--config FILE]   take away what a dead balancer left: addresses, routes, interfaces, rules
  balancer hash-password             read a password from standard input, print the line for a password file
  balancer --help | --version

HAProxy's runtime commands go to the running balancer as well, such as: balancer show stat, balancer get weight mysql/db1
The configuration is ${defaultConfigFile} unless --config names another.
The log goes to standard output, one JSON object a line.
Exit codes: 0 stopped, 1 could not start, ${exitUsage} wrong usage, ${exitConfig} wrong configuration.
`

type Arguments = {
  readonly config: string
  readonly words: readonly string[]
  readonly json: boolean
  readonly color: string | undefined
  readonly watch: string | undefined
  readonly test: boolean
}

// What one needs is loaded when it is asked for: an answer of the running balancer has nothing to wait for.
const commands: Readonly<Record<string, (args: Arguments) => Promise<number>>> = {
  run: async ({ config: file }) => (await import('./commands/run.ts')).run(file),

  check: async ({ config: file }) => (await import('./commands/check.ts')).check(file),

  show: async ({ config: file, words, json, color = 'auto', watch }) => {
    const { show } = await import('./commands/show/show.ts')
    return show({ file, words, json, watch, colour: color })
  },

  notify: async ({ config: file, test }) => {
    if (!test) return usage('notify needs --test')
    const { tryAll } = await import('./commands/notify.ts')
    return tryAll(file)
  },

  release: async ({ config: file }) => {
    const { release } = await import('./commands/release.ts')
    return release(file)
  },

  'hash-password': async () => {
    const { readPassword } = await import('./config/password-input.ts')
    const password = await readPassword()
    if (password === '') {
      process.stderr.write('balancer: no password given; type it, or pipe it in: balancer hash-password < FILE\n')
      return exitUsage
    }
    const { hashPassword } = await import('./config/password-file.ts')
    process.stdout.write(`${await hashPassword(password)}\n`)
    return 0
  },
}

/** What the running balancer carries out: it knows what the words mean. */
const actionOf = (command: string): ((args: Arguments) => Promise<number>) | undefined =>
  runtimeWords.has(command) ? ({ config: file, words }: Arguments) => askRunning(file, [command, ...words]) : undefined

/** Commands that take words of their own. */
const takesWords = (command: string): boolean =>
  runtimeWords.has(command) && command !== 'reload' && command !== 'reexec'

const usage = (text: string): number => {
  process.stderr.write(`balancer: ${text}; balancer --help lists what there is\n`)
  return exitUsage
}

const main = async (): Promise<number> => {
  const [first, ...words] = process.argv.slice(2)
  if (first === 'setup') {
    // It has flags of its own.
    const { setup } = await import('./commands/setup/setup.ts')
    return setup(words)
  }
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    return usage(error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error))
  }
  const { values, positionals } = parsed
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  if (values.version) {
    process.stdout.write(versionText())
    return 0
  }
  const [command = 'run', ...rest] = positionals
  const action = Object.hasOwn(commands, command) ? commands[command] : actionOf(command)
  if (action === undefined) {
    return usage(`unknown command ${command}${nearest(command, [...Object.keys(commands), ...runtimeWords, 'setup'])}`)
  }
  if (rest.length > 0 && !takesWords(command)) return usage(`${command} takes no argument ${rest.join(' ')}`)
  if (values.json && command !== 'show') return usage(`${command} has no --json`)
  const { color, watch } = values
  if (color !== undefined && command !== 'show') return usage(`${command} has no --color`)
  if (watch !== undefined && command !== 'show') return usage(`${command} has no --watch`)
  if (values.test && command !== 'notify') return usage(`${command} has no --test`)
  return action({ config: values.config, words: rest, json: values.json, color, watch, test: values.test })
}

/** What an option means that has nothing behind it, although it may have. */
const bare: ReadonlyMap<string, string> = new Map([
  ['--watch', '--watch='],
  ['--color', '--color=always'],
])

const parse = () =>
  parseArgs({
    args: process.argv.slice(2).map((word) => bare.get(word) ?? word),
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c', default: defaultConfigFile },
      json: { type: 'boolean', default: false },
      color: { type: 'string' },
      watch: { type: 'string' },
      test: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', short: 'V', default: false },
    },
  })

survivePipes()
process.exitCode = await main()
