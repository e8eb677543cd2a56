// Reads the line that the host of a server sends of itself (HAProxy: `agent-check`).

import type { AgentCheckConfig } from '../../config/schema.ts'
import { passed } from '../core/result.ts'
import { plainDialer } from './dialer.ts'
import { exchange } from './exchange.ts'
import type { Probe } from './probe.ts'

/** A check whose result, where it passes, has the line as its text. What fails is no news of the server. */
export const createAgentCheckProbe = (address: string, { port, timeout, send }: AgentCheckConfig): Probe => {
  const judge = (received: Buffer, isOver: boolean) => {
    const text = received.toString('utf8')
    const end = text.search(/[\r\n]/)
    if (end >= 0) return passed('L7OK', text.slice(0, end))
    return isOver && text !== '' ? passed('L7OK', text) : undefined
  }
  const dialer = plainDialer({ address, port })
  return { run: () => exchange({ dialer, port, timeout, request: send, judge }), close: () => {} }
}
