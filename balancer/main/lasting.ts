// What the director remembers over a restart: read at its start, written while it runs.

import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import { type LastingState, readLasting } from '../pool/core/lasting-state.ts'
import { readStateFile } from './state-file.ts'

const nothing: LastingState = { orders: [], accounts: new Map(), events: [], problems: [] }

/**
 * Where the state file is: as configured, else below the directory that systemd keeps for the service (STATE_DIRECTORY). Null: nothing
 * is remembered.
 */
export const stateFileOf = ({ state_file: configured }: BalancerConfig): string | null => {
  const [directory] = (process.env['STATE_DIRECTORY'] ?? '').split(':')
  return configured === undefined ? (directory ? `${directory}/state.json` : null) : configured
}

/** What was remembered. A file that is damaged never keeps the program from starting. */
export const recall = (config: BalancerConfig, log: Logger): LastingState => {
  const path = stateFileOf(config)
  if (path === null) return nothing
  const { text, problem } = readStateFile(path)
  const state = text === null ? nothing : readLasting(text, config)
  for (const one of [...(problem === null ? [] : [problem]), ...state.problems]) {
    log.warn({ path }, `The state file ${path}: ${one}`)
  }
  for (const { listener, server, orders } of state.orders) {
    const weight = orders.weight === null ? '' : `, weight ${orders.weight}`
    log.info(
      { listener, server, orders },
      `Server ${listener}/${server}: ${orders.admin}${weight} by an order from before the restart`,
    )
  }
  return state
}
