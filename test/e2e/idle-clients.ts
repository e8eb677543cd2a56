// Debian's client `mariadb`, many of it, each with a session that has a variable and says nothing for as long as nobody asks.

import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'

/** They are idle until they are asked once. */
export type IdleClients = {
  /** Asks each for its variable and returns how many have lost it. */
  readonly lost: () => Promise<number>
}

const script = `mkfifo "$0"
{ echo "SET @word = 'kept'; SELECT CONCAT('open on ', @@hostname);"; read -r _ <"$0"; echo 'SELECT @word;'; } |
mariadb --defaults-file="$1" --skip-reconnect --unbuffered --skip-column-names`
let batches = 0

/** Opens them and returns when all are logged in. */
export const startIdleClients = async (lab: Lab, host: Host, count: number): Promise<IdleClients> => {
  batches += 1
  const clients = Array.from({ length: count }, (_, i) => {
    const fifo = join(lab.directory, `idle-${batches}-${i}`)
    const words = ['-c', script, fifo, join(lab.directory, 'client.cnf')]
    return { fifo, client: host.spawn(`idle-${batches}-${i}`, 'bash', words) }
  })
  for (const { client } of clients) await client.waitForOutput(/open on/)
  return {
    lost: async () => {
      const answers = clients.map(async ({ fifo, client }) => {
        if (!client.isRunning()) return false
        await appendFile(fifo, 'go on\n')
        await waitFor('the client to end', () => !client.isRunning())
        await client.exited
        return client.lines().includes('kept')
      })
      return (await Promise.all(answers)).filter((isKept) => !isKept).length
    },
  }
}
