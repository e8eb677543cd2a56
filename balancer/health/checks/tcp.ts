// Checks a server by connecting to it, without its program seeing a connection (HAProxy: `check` alone).

import { connect, type Socket } from 'node:net'
import type { TcpCheckConfig } from '../../config/schema.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import { codeOf } from '../../core/error-text.ts'
import { familyOf } from '../../core/ip-address.ts'
import { shortageOf } from '../../core/shortage.ts'
import { openQuietSocket, type ReservedPort } from '../../os/quiet-connection.ts'
import { type Judgement, passed } from '../core/result.ts'
import { connectionFailure, noConnection, type Probe, startDeadline } from './probe.ts'

const unseen = passed('L4OK', 'connected')

/**
 * A check that connects to the server's port, or another one, and ends with a reset in place of the handshake's last packet.
 * A MySQL server counts each connection that ends before its login, and blocks a host that made too many (error 1129).
 * `reserved` is used where sessions to this server have all other ports.
 */
export const createTcpProbe = (
  { address, port: ownPort }: Endpoint,
  config: TcpCheckConfig,
  reserved: ReservedPort | null,
): Probe => {
  const port = config.port ?? ownPort
  const { timeout } = config
  const tryFrom = async (from: ReservedPort | null): Promise<Judgement> => {
    const opened = openQuietSocket(familyOf(address), from)
    if (opened.ok) return knock(opened.value.connect({ host: address, port }), unseen)
    if (shortageOf(opened.code) !== undefined) return connectionFailure(opened.code, port)
    const seen = passed('L4OK', `connected, and the server saw it: this system cannot hide a check (${opened.text})`)
    return knock(connect({ host: address, port }), seen)
  }
  const knock = (socket: Socket, connected: Judgement): Promise<Judgement> =>
    new Promise((resolve) => {
      const settle = (judgement: Judgement): void => {
        cancel()
        socket.resetAndDestroy()
        resolve(judgement)
      }
      const cancel = startDeadline(timeout, () => settle(noConnection(port, timeout)))
      socket.once('connect', () => settle(connected))
      socket.on('error', (error) => settle(connectionFailure(codeOf(error), port)))
    })
  const run = async (): Promise<Judgement> => {
    const judgement = await tryFrom(null)
    return judgement.shortage === 'ports' && reserved !== null ? tryFrom(reserved) : judgement
  }
  return { run, close: () => {} }
}
