// One short connection: says something, and reads until what came can be judged.

import { codeOf } from '../../core/error-text.ts'
import type { Millis } from '../../core/time.ts'
import { failed, type Judgement } from '../core/result.ts'
import type { Dialer } from './dialer.ts'
import { silentAt, startDeadline } from './probe.ts'

/** What to connect to, what to say, and how to judge what came; `isOver` when no more will come. */
export type ExchangeOptions = {
  readonly dialer: Dialer
  readonly port: number
  readonly timeout: Millis
  readonly request?: string
  readonly judge: (received: Buffer, isOver: boolean) => Judgement | undefined
}

const maximumBytes = 16_384
/** Each read is judged anew with all that came before: who sends byte by byte must not keep this process busy. */
const maximumReads = 256

/** Connects, speaks, listens and hangs up. Never rejects. */
export const exchange = (options: ExchangeOptions): Promise<Judgement> =>
  new Promise((resolve) => {
    const { dialer, port, timeout, request = '', judge } = options
    let received: Buffer = Buffer.alloc(0)
    let reads = 0
    const settle = (judgement: Judgement | undefined): void => {
      if (judgement === undefined) return
      cancel()
      socket.destroy()
      resolve(judgement)
    }
    const cancel = startDeadline(timeout, () =>
      settle((isOpen() ? judge(received, true) : undefined) ?? silentAt(line.stage(), port, timeout)),
    )
    const line = dialer.dial(() => {
      if (request !== '') socket.write(request)
      settle(judge(received, false))
    }, settle)
    const { socket } = line
    const isOpen = (): boolean => line.stage() === 'open'
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      reads += 1
      const isFull = received.length >= maximumBytes || reads >= maximumReads
      const tooMuch = `no whole answer in ${received.length} bytes and ${reads} pieces`
      settle(judge(received, isFull) ?? (isFull ? failed('L7RSP', 'invalid-answer', tooMuch) : undefined))
    })
    socket.once('end', () =>
      settle(judge(received, true) ?? failed('L7RSP', 'invalid-answer', 'the connection ended without a whole answer')),
    )
    // A reset may follow a whole answer: the classic check script never reads the request.
    socket.on('error', (error) => {
      if (!isOpen()) return
      const broken = dialer.brokenBy(codeOf(error), received.length === 0)
      settle(received.length === 0 && dialer.isEncrypted ? broken : (judge(received, true) ?? broken))
    })
  })
