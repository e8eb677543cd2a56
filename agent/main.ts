#!/usr/bin/env node
// mysqlchk-agent: from the command line to the command, and from its result to the exit status.

import { help, parseArguments } from './commands/arguments.ts'
import { checkLogin } from './commands/check-login.ts'
import { compare } from './commands/compare.ts'
import { type ExitStatus, exitStatus } from './commands/exit.ts'
import { fail, pass } from './commands/force.ts'
import { once } from './commands/once.ts'
import { survivePipes } from './commands/pipes.ts'
import { refuseToRun, run } from './commands/run.ts'
import { setupUser } from './commands/setup-user.ts'
import { versionText } from './commands/version.ts'
import { withConfig } from './commands/with-config.ts'

const warn = (warnings: readonly string[]): void => {
  for (const warning of warnings) process.stderr.write(`${warning}\n`)
}

const main = async (words: readonly string[]): Promise<ExitStatus> => {
  const invocation = parseArguments(words)
  switch (invocation.command) {
    case 'run':
      return withConfig(
        invocation.config,
        'read',
        (config, warnings) => run(invocation.config, config, warnings),
        refuseToRun,
      )
    case 'check':
      return withConfig(invocation.config, invocation.login === true ? 'read' : 'look', (config, warnings) => {
        warn(warnings)
        process.stdout.write(`${invocation.config}: the configuration is valid\n`)
        return invocation.login === true ? checkLogin(config) : exitStatus.ok
      })
    case 'once':
      return withConfig(invocation.config, 'read', (config, warnings) => {
        warn(warnings)
        return once(config, invocation.path, invocation.json)
      })
    case 'compare':
      return withConfig(invocation.config, 'read', (config, warnings) => {
        warn(warnings)
        return compare(config, invocation.script, invocation.requests)
      })
    case 'fail':
      return withConfig(invocation.config, 'skip', (config) =>
        fail(
          invocation.reboot === true ? config.lasting_force_fail_file : config.force_fail_file,
          invocation.reason,
          invocation.lasts,
        ),
      )
    case 'pass':
      return withConfig(invocation.config, 'skip', (config) =>
        pass(config.force_fail_file, config.lasting_force_fail_file),
      )
    case 'setup-user':
      return withConfig(invocation.config, 'make', (config, warnings) => {
        warn(warnings)
        return setupUser(config, invocation.config, invocation)
      })
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
