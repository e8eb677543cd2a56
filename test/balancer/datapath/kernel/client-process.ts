// Clients of a lab. Told `hold`, it opens sessions that wait for an answer, and tells how each is; told `load`, it opens and closes
// as many as it is told, some at a time.

import { connect, type Socket } from 'node:net'

type Held = {
  readonly socket: Socket
  localPort: number
  server: string | null
  error: string | null
  endedAt: number | null
}
type Told =
  | { readonly do: 'hold'; readonly count: number; readonly host: string; readonly port: number }
  | { readonly do: 'load'; readonly count: number; readonly host: string; readonly port: number; readonly rate: number }
  | { readonly do: 'look' | 'let-go' | 'ping' }

const held: Held[] = []
const hold = (host: string, port: number): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect({ host, port })
    const one: Held = { socket, localPort: 0, server: null, error: null, endedAt: null }
    held.push(one)
    socket.on('connect', () => {
      one.localPort = socket.localPort ?? 0
      socket.write('who\n')
    })
    socket.on('data', (bytes) => {
      one.server = bytes.toString().trim()
      resolve()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      one.error = error.code ?? 'error'
      one.endedAt = Date.now()
      resolve()
    })
    socket.on('close', () => {
      one.endedAt ??= Date.now()
      one.error ??= 'closed'
    })
  })
const once = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true })
    socket.on('connect', () => socket.write('bye\n'))
    socket.on('data', () => {})
    socket.on('error', () => resolve(false))
    socket.on('close', (failed) => resolve(!failed))
  })
const load = (count: number, host: string, port: number, rate: number): Promise<object> =>
  new Promise((resolve) => {
    const begun = performance.now()
    let [started, finished, failed, running] = [0, 0, 0, 0]
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - begun) / 1000) * rate))
      while (started < due && running < 500) {
        started += 1
        running += 1
        void once(host, port).then((passed) => {
          running -= 1
          if (passed) finished += 1
          else failed += 1
          if (finished + failed < count) return
          clearInterval(timer)
          resolve({ finished, failed, millis: performance.now() - begun })
        })
      }
    }, 2)
  })

process.on('message', async (told: Told) => {
  switch (told.do) {
    case 'hold':
      await Promise.all(Array.from({ length: told.count }, () => hold(told.host, told.port)))
      break
    case 'load':
      process.send?.(await load(told.count, told.host, told.port, told.rate))
      return
    case 'ping':
      for (const one of held) {
        if (one.error !== null) continue
        one.server = null
        one.socket.write('who\n')
      }
      break
    case 'let-go':
      for (const { socket } of held) socket.destroy()
      held.length = 0
      break
    case 'look':
      break
  }
  process.send?.({ held: held.map(({ socket: _, ...told }) => told) })
})
process.stdout.write('ready\n')
