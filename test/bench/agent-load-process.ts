// Asks a check port at a fixed rate, each time over a new connection as HAProxy does, and tells what came of it.

import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { z } from 'zod'

/** What to ask: `count` checks of a port of 127.0.0.1, `rate` a second. */
export const loadOrder = z.object({ port: z.number(), rate: z.number(), count: z.number() })

/** Milliseconds from the call of connect to the status line of each good answer; what was not one, by reason. */
export const loadResult = z.object({
  took: z.array(z.number()),
  seconds: z.number(),
  errors: z.record(z.string(), z.number()),
})

const tickMillis = 1
const patienceMillis = 5000
/** A server that stands still must not make us open connections without end. */
const maximumOpen = 4000
const request = Buffer.from('OPTIONS / HTTP/1.0\r\n\r\n')
const good = /^HTTP\/1\.[01] 200 /

const run = ({ port, rate, count }: z.output<typeof loadOrder>): Promise<z.output<typeof loadResult>> =>
  new Promise((resolve) => {
    const took: number[] = []
    const errors: Record<string, number> = {}
    const begun = performance.now()
    let [started, open, done] = [0, 0, 0]
    const ask = (): void => {
      started += 1
      open += 1
      let outcome = 'closed without an answer'
      const at = performance.now()
      const socket = connect({ port, host: '127.0.0.1' })
      socket.setTimeout(patienceMillis, () => {
        outcome = `no answer within ${patienceMillis} ms`
        socket.destroy()
      })
      socket.write(request)
      socket.once('data', (bytes: Buffer) => {
        const line = bytes.toString('latin1', 0, 64)
        outcome = good.test(line) ? '' : (line.split('\r\n')[0] ?? '')
        if (outcome === '') took.push(performance.now() - at)
      })
      socket.on('error', (error) => {
        // The classic script closes without having read the request: the reset comes behind its answer.
        if (outcome !== '') outcome = 'code' in error ? String(error.code) : error.message
      })
      socket.once('close', () => {
        open -= 1
        done += 1
        if (outcome !== '') errors[outcome] = (errors[outcome] ?? 0) + 1
        if (done === count) resolve({ took, seconds: (performance.now() - begun) / 1000, errors })
      })
    }
    const timer = setInterval(() => {
      const due = Math.min(count, Math.ceil(((performance.now() - begun) / 1000) * rate))
      while (started < due && open < maximumOpen) ask()
      if (started === count) clearInterval(timer)
    }, tickMillis)
  })

process.on('message', (message) => {
  void run(loadOrder.parse(message)).then((result) => process.send?.(result))
})
process.once('disconnect', () => process.exit(0))
