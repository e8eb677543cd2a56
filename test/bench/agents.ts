// Agents for benchmarks: one process that answers at every address of 127.0.0.0/8 as our agent does.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

/** The process, and the port it answers at. */
export type Agents = { readonly port: number; readonly stop: () => void }

const hello = z.object({ port: z.number() })

/** Starts the process; it ends with this one. */
export const startAgents = async (): Promise<Agents> => {
  const child: ChildProcess = fork(fileURLToPath(new URL('./agents-process.js', import.meta.url)))
  const { port } = await new Promise<z.output<typeof hello>>((resolve, reject) => {
    child.once('message', (message) => resolve(hello.parse(message)))
    child.once('error', reject)
  })
  return { port, stop: () => void child.kill() }
}
