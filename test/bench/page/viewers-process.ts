// Those who look: streams of open pages, some of them read at a byte a second, as are whole pages. Who is let go comes back.

import { connect, type Socket } from 'node:net'
import { z } from 'zod'

const orderSchema = z.object({
  target: z.object({ host: z.string(), port: z.number() }),
  sources: z.array(z.string()),
  login: z.string(),
  live: z.number(),
  slow: z.number(),
  slowPages: z.number(),
})
/** How many of each there shall be from now on. */
export type ViewersOrder = z.output<typeof orderSchema>

const again = 1000
let open: Socket[] = []
let round = 0

const look = (order: ViewersOrder, i: number, path: string, isSlow: boolean): void => {
  const own = round
  const { target, sources, login } = order
  const localAddress = sources[i % sources.length]
  const onread = {
    buffer: Buffer.alloc(isSlow ? 1 : 65_536),
    callback: (): boolean => {
      if (isSlow) setTimeout(() => socket.resume(), again)
      return !isSlow
    },
  }
  const socket = connect({ ...target, onread, ...(localAddress === undefined ? {} : { localAddress }) })
  open.push(socket)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: lb\r\nAuthorization: Basic ${login}\r\n\r\n`)
  socket.on('error', () => undefined)
  socket.on('close', () => {
    if (own === round) setTimeout(() => own === round && look(order, i, path, isSlow), again)
  })
}

process.on('message', (message) => {
  const order = orderSchema.parse(message)
  round += 1
  for (const socket of open) socket.destroy()
  open = []
  const each = (count: number, path: string, isSlow: boolean): void => {
    for (let i = 0; i < count; i += 1) look(order, i, path, isSlow)
  }
  each(order.live, '/status/live', false)
  each(order.slow, '/status/live', true)
  each(order.slowPages, '/status', true)
})
process.on('disconnect', () => process.exit())
