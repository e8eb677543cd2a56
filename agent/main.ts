#!/usr/bin/env node
// mysqlchk-agent: from the command line to the command, and from its result to the exit status.

import { help, type Invocation, parseArguments } from './commands/arguments.ts'
import { type ExitStatus, exitStatus } from './commands/exit.ts'
import { survivePipes } from './commands/pipes.ts'
import { versionText } from './commands/version.ts'
import type { withConfig as WithConfig } from './commands/with-config.ts'

type DirectReturn = Extract<Invocation, { readonly command: 'direct-return' }>

const warn = (warnings: readonly string[]): void => {
  for (const warning of warnings) process.stderr.write(`${warning}\n`)
}

const withConfig: typeof WithConfig = async (...all) => (await import('./commands/with-config.ts')).withConfig(...all)

const directReturn = async ({ action, config: path, watch, json }: DirectReturn): Promise<ExitStatus> => {
  const { down, refuseSecond, status, up } = await import('./commands/direct-return.ts')
  if (action === 'down') return down(path)
  return withConfig(path, 'skip', async (config, warnings) => {
    if (action === 'status') return status(config, path, json)
    if (refuseSecond(config.direct_return)) return exitStatus.failed
    if (!watch || config.direct_return.entries.length === 0) {
      warn(warnings)
      return up(config, path)
    }
    const { watchDirectReturn } = await import('./commands/direct-return-watch.ts')
    return watchDirectReturn(path, config, warnings)
  })
}

/** What one command needs is loaded when it is asked for: it takes longer than most of them. */
const main = async (words: readonly string[]): Promise<ExitStatus> => {
  const invocation = parseArguments(words)
  switch (invocation.command) {
    case 'run': {
      const { refuseToRun, run } = await import('./commands/run.ts')
      return withConfig(
        invocation.config,
        'read',
        (config, warnings) => run(invocation.config, config, warnings),
        refuseToRun,
      )
    }
    case 'check':
      return withConfig(invocation.config, invocation.login === true ? 'read' : 'look', async (config, warnings) => {
        warn(warnings)
        process.stdout.write(`${invocation.config}: the configuration is valid\n`)
        if (invocation.login !== true) return exitStatus.ok
        const { checkLogin } = await import('./commands/check-login.ts')
        return checkLogin(config)
      })
    case 'once':
      return withConfig(invocation.config, 'read', async (config, warnings) => {
        warn(warnings)
        const { once } = await import('./commands/once.ts')
        return once(config, invocation.path, invocation.json)
      })
    case 'compare':
      return withConfig(invocation.config, 'read', async (config, warnings) => {
        warn(warnings)
        const { compare } = await import('./commands/compare.ts')
        return compare(config, invocation.script, invocation.requests)
      })
    case 'fail':
      return withConfig(invocation.config, 'skip', async (config) => {
        const { fail } = await import('./commands/force.ts')
        const file = invocation.reboot === true ? config.lasting_force_fail_file : config.force_fail_file
        return fail(file, invocation.reason, invocation.lasts)
      })
    case 'pass':
      return withConfig(invocation.config, 'skip', async (config) => {
        const { pass } = await import('./commands/force.ts')
        return pass(config.force_fail_file, config.lasting_force_fail_file)
      })
    case 'setup-user':
      return withConfig(invocation.config, 'make', async (config, warnings) => {
        warn(warnings)
        const { setupUser } = await import('./commands/setup-user.ts')
        return setupUser(config, invocation.config, invocation)
      })
    case 'direct-return':
      return directReturn(invocation)
    case 'help':
      process.stdout.write(help)
      return exitStatus.ok
    case 'version':
      process.stdout.write(versionText())
      return exitStatus.ok
    case 'usage-error':
      process.stderr.write(`mysqlchk-agent: ${invocation.text}\nmysqlchk-agent --help lists all.\n`)
      return exitStatus.usage
    default:
      return invocation satisfies never
  }
}

survivePipes()
process.exitCode = await main(process.argv.slice(2))
