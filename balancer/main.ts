// The balancer command: reads its arguments and runs what they ask for.

import { parseArgs } from 'node:util'
import { closest, distance } from 'fastest-levenshtein'
import { kernelWarnings } from './commands/kernel-check.ts'
import { survivePipes } from './commands/pipes.ts'
import { keepalivedWarnings, portWarnings } from './commands/rivals.ts'
import { askRunning } from './commands/runtime.ts'
import { versionText } from './commands/version.ts'
import { demandWarnings } from './config/demand.ts'
import { defaultConfigFile, type LoadedConfig, loadConfig } from './config/load.ts'
import { hashPassword } from './config/password-file.ts'
import { readPassword } from './config/password-input.ts'
import { openLog } from './log.ts'
import { hostLimits } from './os/host-limits.ts'
import { notifySystemd } from './os/systemd.ts'
import { firstWord, isCandidate, tellPredecessor } from './supervisor/generations.ts'
import { type Farewell, startSupervisor } from './supervisor/supervisor.ts'
import { version } from './version.ts'
import { outlookOf } from './vrrp/core/outlook.ts'
import { hostWarnings } from './vrrp/host-warnings.ts'
import { prospectsOf, untracked } from './vrrp/prospects.ts'

const exitUsage = 64
const exitConfig = 78

const help = `balancer ${version} - one address in front of a MySQL or MariaDB cluster

  balancer [run] [--config FILE]     run in the foreground; stops cleanly on SIGTERM and Ctrl-C
  balancer setup                     ask for what differs from host to host, and write the configuration; setup --help
  balancer check [--config FILE]     check the configuration; exit 0, or ${exitConfig} with every problem and its place;
                                     tell what each tracked failure will lead to
  balancer show [servers|vrrp|sessions|events] [--json]             ask the running balancer
  balancer server LISTENER/SERVER ready|drain|maint|weight N        take a server out, bring it back, give it a share
  balancer vrrp INSTANCE handover|maint|ready                       move its addresses away on purpose, or take part again
  balancer reload [--config FILE]    have the running balancer apply the file as it is now (also SIGHUP)
  balancer reexec [--config FILE]    have the program on disk take over from the running one, which keeps address,
                                     rules and sessions; exit 1, and nothing has changed, where it cannot
  balancer notify --test             run every notification script and webhook once; exit 0, or 1 if one fails
  balancer release [--config FILE]   take away what a dead balancer left: addresses, routes, interfaces, rules
  balancer hash-password             read a password from standard input, print the line for a password file
  balancer --help | --version

The configuration is ${defaultConfigFile} unless --config names another.
The log goes to standard output, one JSON object a line.
Exit codes: 0 stopped, 1 could not start, ${exitUsage} wrong usage, ${exitConfig} wrong configuration.
`

type Loaded = Extract<LoadedConfig, { ok: true }>

type Arguments = {
  readonly config: string
  readonly words: readonly string[]
  readonly json: boolean
  readonly test: boolean
}

/** Commands that take words of their own; the running balancer knows what they mean. */
const wordy: ReadonlySet<string> = new Set(['show', 'server', 'vrrp'])

const commands: Readonly<Record<string, (args: Arguments) => Promise<number>>> = {
  run: async ({ config: file }) => {
    if (isCandidate()) return takeOver(file)
    const loaded = loadConfig(file)
    if (loaded.ok) return supervise(file, loaded, 'founder')
    notifySystemd(`STATUS=Not started: ${loaded.problems[0]}`)
    return configProblems(loaded.problems)
  },

  check: async ({ config: file }) => {
    const loaded = loadConfig(file)
    if (!loaded.ok) return configProblems(loaded.problems)
    for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`)
    const { listeners, vrrp } = loaded.config
    const servers = listeners.reduce((sum, listener) => sum + listener.servers.length, 0)
    process.stdout.write(
      `${file} is valid: ${vrrp.instances.length} VRRP instance(s), ${listeners.length} listener(s), ${servers} server(s)\n`,
    )
    for (const { isWarning, text } of prospectsOf(vrrp).flatMap(outlookOf)) {
      process[isWarning ? 'stderr' : 'stdout'].write(isWarning ? `warning: ${text}\n` : `  ${text}\n`)
    }
    for (const text of [
      ...untracked(vrrp),
      ...hostWarnings(vrrp),
      ...demandWarnings(listeners, hostLimits()),
      ...keepalivedWarnings(loaded.config),
      ...portWarnings(loaded.config),
      ...(await kernelWarnings(loaded.config)),
    ]) {
      process.stderr.write(`warning: ${text}\n`)
    }
    return 0
  },

  show: ({ config: file, words, json }) => askRunning(file, ['show', ...words, ...(json ? ['--json'] : [])]),

  server: ({ config: file, words }) => askRunning(file, ['server', ...words]),

  vrrp: ({ config: file, words }) => askRunning(file, ['vrrp', ...words]),

  reload: ({ config: file }) => askRunning(file, ['reload']),

  reexec: ({ config: file }) => askRunning(file, ['reexec']),

  notify: async ({ config: file, test }) => {
    if (!test) return usage('notify needs --test')
    const loaded = loadConfig(file)
    if (!loaded.ok) return configProblems(loaded.problems)
    // What starts programs is not loaded into the supervisor.
    const { tryNotifications } = await import('./commands/notify.ts')
    let trials = 0
    const isWell = await tryNotifications(loaded.config, ({ ok, text }) => {
      trials += 1
      process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${text}\n`)
    })
    if (trials === 0) process.stdout.write(`${file} has no notification scripts and no webhooks\n`)
    return isWell ? 0 : 1
  },

  release: async ({ config: file }) => {
    const { release } = await import('./commands/release.ts')
    return release(file)
  },

  'hash-password': async () => {
    const password = await readPassword()
    if (password === '') {
      process.stderr.write('balancer: no password given; type it, or pipe it in: balancer hash-password < FILE\n')
      return exitUsage
    }
    process.stdout.write(`${await hashPassword(password)}\n`)
    return 0
  },
}

/** Runs the parent process with a configuration, to its end. */
const supervise = async (file: string, loaded: Loaded, joinAs: 'founder' | 'successor'): Promise<number> => {
  process.title = 'balancer: supervisor'
  const { config: running, text, warnings } = loaded
  const { log, exit } = openLog('supervisor', running.log.level)
  for (const warning of [...warnings, ...keepalivedWarnings(running)]) log.warn(warning)
  log.info({ version, config: file, pid: process.pid }, `Balancer ${version} starting with ${file}`)
  // Before the children are forked: a signal in between would end this process without a word to them.
  process.on('SIGTERM', () => supervisor.stop('SIGTERM'))
  process.on('SIGINT', () => supervisor.stop('SIGINT'))
  process.on('SIGHUP', () => void supervisor.reload())
  const supervisor = startSupervisor({ file, running, text, log, farewellReady: loadFarewell(), joinAs })
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, 'The supervisor failed')
      supervisor.stop('a failure of the supervisor', 1)
    })
  }
  return exit(await supervisor.ended)
}

/** Takes over from the running program, with the configuration that runs there. */
const takeOver = async (file: string): Promise<number> => {
  const told = await firstWord()
  if (!told.ok) {
    await tellPredecessor([told.text])
    return 1
  }
  const loaded = loadConfig(file, undefined, told.text)
  if (loaded.ok) return supervise(file, loaded, 'successor')
  await tellPredecessor(loaded.problems)
  return configProblems(loaded.problems)
}

/** Loaded while all is well: what is needed when a process cannot be started must not have to be read from a disk then. */
const loadFarewell = async (): Promise<Farewell> => {
  const { sayFarewell } = await import('./vrrp/farewell.ts')
  return (config, masters, log, back) =>
    sayFarewell(
      config.vrrp,
      masters.map(({ name }) => name),
      log,
      back,
    )
}

const configProblems = (problems: readonly string[]): number => {
  process.stderr.write(`${problems.join('\n')}\n`)
  return exitConfig
}

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
  const action = Object.hasOwn(commands, command) ? commands[command] : undefined
  if (action === undefined) {
    const nearest = closest(command, [...Object.keys(commands), 'setup'])
    return usage(`unknown command ${command}${distance(command, nearest) <= 2 ? `, did you mean ${nearest}?` : ''}`)
  }
  if (rest.length > 0 && !wordy.has(command)) return usage(`${command} takes no argument ${rest.join(' ')}`)
  if (values.json && command !== 'show') return usage(`${command} has no --json`)
  if (values.test && command !== 'notify') return usage(`${command} has no --test`)
  return action({ config: values.config, words: rest, json: values.json, test: values.test })
}

const parse = () =>
  parseArgs({
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c', default: defaultConfigFile },
      json: { type: 'boolean', default: false },
      test: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', short: 'V', default: false },
    },
  })

survivePipes()
process.exitCode = await main()
