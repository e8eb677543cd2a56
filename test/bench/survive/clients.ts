// The clients of a benchmark: sessions in every state, what they lose and how long they wait.

import { fileURLToPath } from 'node:url'
import type { Host } from '../../lab/host.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { type ClientsCommand, type ClientsOrder, parseStretch, type SeenSession, type Stretch } from './messages.ts'

/** Sessions that go on from stretch to stretch. */
export type Clients = {
  /** Opens what was lost; returns when every session does what it is to do. */
  readonly begin: () => Promise<void>
  /** The sessions of the beginning of the stretch, as they are now. */
  readonly now: () => readonly SeenSession[]
  /** Waits until every session has shown that it lives, or is lost. */
  readonly judge: () => Promise<Stretch>
  readonly stop: () => Promise<void>
}

const patience = { limit: 40_000, interval: 20 }

/** Starts the process; nothing is open before the first `begin`. */
export const startClients = (host: Host, order: ClientsOrder): Clients => {
  const entry = fileURLToPath(new URL('./clients-process.js', import.meta.url))
  const client = host.spawn('clients', process.execPath, [entry], { ipc: true })
  let stretch: Stretch = { state: 'opening', sessions: [], longestPauseMs: 0 }
  client.onMessage((message) => {
    stretch = parseStretch(message)
  })
  const tell = async (command: ClientsCommand, state: Stretch['state']): Promise<Stretch> => {
    stretch = { ...stretch, state: 'opening' }
    client.send(command)
    await waitFor(
      `the clients to be ${state}`,
      () => {
        if (!client.isRunning()) throw new Error(`the clients ended: ${client.lines().join('\n')}`)
        return stretch.state === state
      },
      patience,
    )
    return stretch
  }
  client.send({ order })
  return {
    begin: async () => void (await tell('begin', 'running')),
    now: () => stretch.sessions,
    judge: () => tell('judge', 'judged'),
    stop: async () => void (await client.stop()),
  }
}
