// Notes requests to the status page that are over, for who wants them in the log.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { plainAddress } from '../../core/endpoint.ts'
import type { RequestRecord } from '../../core/request-record.ts'

/** Takes a request that is over; `record` is called at once, or never. */
export type LogRequest = (record: () => RequestRecord) => void

/** The requests of one page. */
export type RequestNotes = {
  /** A request has come; it is noted when its answer is out, or never will be. */
  readonly begun: (request: IncomingMessage, response: ServerResponse) => void
  /** In whose name it came. Only a name that somebody has: another one may be a password in the wrong field. */
  readonly by: (request: IncomingMessage, user: string) => void
  /** What came is no request, or came too slowly; it was answered with `status`. */
  readonly refused: (socket: Duplex, status: 400 | 408) => void
}

/** No request yet. `sessions` tells how many connections are open. */
export const createRequestNotes = (log: LogRequest, sessions: () => number): RequestNotes => {
  const users = new WeakMap<IncomingMessage, string>()
  return {
    begun: (request, response) => {
      const { socket, method = '', url = '', httpVersion: version } = request
      const [acceptedAt, begunAt, writtenBefore] = [Date.now(), performance.now(), socket.bytesWritten]
      // It is not known any more when the connection is closed.
      const client = clientOf(socket)
      response.once('close', () =>
        log(() => ({
          client,
          acceptedAt,
          user: users.get(request) ?? null,
          asked: { method, url, version },
          status: response.headersSent ? response.statusCode : null,
          bytes: socket.bytesWritten - writtenBefore,
          total: performance.now() - begunAt,
          end: response.writableFinished ? 'answered' : 'broken-off',
          sessions: sessions(),
        })),
      )
    },
    by: (request, user) => void users.set(request, user),
    refused: (socket, status) => {
      if (!(socket instanceof Socket)) return
      log(() => ({
        client: clientOf(socket),
        acceptedAt: Date.now(),
        user: null,
        asked: null,
        status,
        bytes: socket.bytesWritten,
        total: 0,
        end: status === 408 ? 'slow' : 'malformed',
        sessions: sessions(),
      }))
    },
  }
}

const clientOf = ({ remoteAddress, remotePort = 0 }: Socket) => ({
  address: plainAddress(remoteAddress),
  port: remotePort,
})
