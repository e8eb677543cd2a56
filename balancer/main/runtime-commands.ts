// Every command of the table, and what carries it out.

import type { Logger } from 'pino'
import { refusal } from '../admin/core/commands/command.ts'
import { findCommand, unknownText } from '../admin/core/commands/find.ts'
import type { RunCommand } from '../admin/socket/conversation.ts'
import { haproxyCommands } from './haproxy-commands.ts'
import { ownCommands } from './own-commands.ts'
import { RuntimeError, type RuntimeSources } from './runtime-sources.ts'

/** Carries out what has been looked at: who asks may do so. The answer tells of a refusal, too. */
export const runtimeCommands = (sources: RuntimeSources, log: Logger): RunCommand => {
  const runs = { ...ownCommands(sources), ...haproxyCommands(sources) }
  return async (words, by) => {
    const found = findCommand(words)
    if (found === undefined || found.command.of === 'connection') return unknownText(words, 'admin')
    try {
      return await runs[found.command.words](found.rest, by)
    } catch (error) {
      if (error instanceof RuntimeError) return `${refusal}${error.message}`
      log.error({ err: error, command: words.join(' ') }, 'A runtime command failed')
      return `${refusal}the balancer could not carry it out; its log says why`
    }
  }
}
