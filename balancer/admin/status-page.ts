// The HTTP server of the status page: limits, authentication, and the two documents it serves.

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { readPasswordFile } from '../config/password-file.ts'
import type { StatusPageConfig } from '../config/schema.ts'
import { plainAddress } from '../core/endpoint.ts'
import { FailedStart } from '../core/failed-start.ts'
import { createAdmission } from './admission.ts'
import { styleSheet } from './core/page.ts'
import type { PageRefusals, Status } from './core/status.ts'
import { createCredentials, type Verdict } from './credentials.ts'
import { createDocuments, type DocumentName, documentAt } from './documents.ts'
import { createDoors, type Doors, type Inherit } from './doors.ts'
import { createLoginLog } from './login-log.ts'

/** The status page, open or not. */
export type StatusPage = {
  /** Opens what another configuration needs beside what is open. Throws `FailedStart`, and nothing has changed then. */
  readonly prepare: (http: StatusPageConfig | undefined) => Promise<PreparedPage>
  readonly handles: Doors['handles']
  readonly retire: Doors['retire']
  readonly stop: () => void
}

/** Another configuration of the page that can be taken over or called off. */
export type PreparedPage = { readonly apply: () => void; readonly cancel: () => void }

export type StatusPageOptions = {
  /** What the page needs while it is open; the documents show whatever is the configuration then. */
  readonly http: StatusPageConfig | undefined
  readonly status: (refusals: PageRefusals) => Status
  readonly log: Logger
  readonly inherit?: Inherit
}

/** Node looks at its time limits only this often. */
const connectionsCheckingInterval = 1000
const limits = {
  connectionsCheckingInterval,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  maxHeaderSize: 8192,
}
/** A reader that does not read is let go. */
const silenceLimit = 15_000
const maximumConnections = { all: 256, perSource: 32 }

/** Serves the page and the other documents where `admin.http` asks for it. Throws `FailedStart`. */
export const startStatusPage = async (options: StatusPageOptions): Promise<StatusPage> => {
  const { log } = options
  let http: StatusPageConfig | undefined
  const refusals: Record<string, number> = {}
  const refused = (reason: string): void => {
    refusals[reason] = (refusals[reason] ?? 0) + 1
  }
  const credentials = createCredentials()
  const loginRefused = createLoginLog(log)
  const admission = createAdmission(maximumConnections, () => refused('too-many-connections'))
  const status = () => options.status(refusals)

  const documents = createDocuments()

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refused('method')
      return send(response, 405, 'text/plain', 'Only GET and HEAD are served here.\n', { allow: 'GET, HEAD' })
    }
    const [path = '', query = ''] = (request.url ?? '').split('?')
    const name = http === undefined ? undefined : documentAt(path, http.path)
    if (http === undefined || name === undefined || !isPublic(name, http)) {
      const source = plainAddress(request.socket.remoteAddress)
      const { verdict, user } = await credentials.verify(request.headers.authorization, source)
      if (verdict !== 'granted' || http === undefined) {
        if (verdict === 'wrong' || verdict === 'busy') loginRefused(verdict, source, user)
        refused(verdict === 'missing' ? 'no-password' : verdict === 'busy' ? 'busy' : 'wrong-password')
        return refuseLogin(response, verdict)
      }
    }
    if (name === undefined) {
      refused('not-found')
      return send(response, 404, 'text/plain', whereAll(http.path))
    }
    const question = { query: new URLSearchParams(query), refreshSeconds: http.refresh / 1000 }
    const { code, type, text } = await documents(name, status(), question)
    return send(response, code, type, text)
  }

  const createOne = (): Server => {
    const created = createServer({ ...limits, requireHostHeader: false }, (request, response) => {
      const { socket } = request
      admission.busy(socket)
      response.once('close', () => admission.idle(socket))
      request.resume()
      respond(request, response).catch((error: unknown) => {
        log.error({ err: error }, 'The status page failed')
        response.destroy()
      })
    })
    created.timeout = silenceLimit
    created.on('connection', admission.enter)
    created.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      refused(error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'slow' : 'malformed')
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      else socket.destroy()
    })
    return created
  }
  const doors = createDoors(createOne, log, options.inherit ?? nothing)
  const prepare: StatusPage['prepare'] = async (next) => {
    const isSameLogin = http !== undefined && isDeepStrictEqual(http.users, next?.users)
    const users = (next?.users ?? []).map((user) => [user.name, hashOf(user.password_file)] as const)
    const opened = await doors.prepare(next?.bind ?? [])
    return {
      apply: () => {
        http = next
        if (!isSameLogin) credentials.setUsers(new Map(users))
        opened.apply()
      },
      cancel: opened.cancel,
    }
  }
  try {
    const first = await prepare(options.http)
    first.apply()
  } catch (error) {
    doors.stop()
    throw error
  }
  return {
    prepare,
    handles: doors.handles,
    retire: doors.retire,
    stop: doors.stop,
  }
}

const isPublic = (name: DocumentName, { public: names }: StatusPageConfig): boolean =>
  names.some((known) => known === name)

const whereAll = (path: string): string =>
  `The status page is at ${path}, as JSON at ${path.replace(/\/$/, '')}/json, as HAProxy's CSV at ${path};csv; /metrics is for Prometheus, /healthz for other load balancers\n`

const nothing: Inherit = () => undefined

const hashOf = (file: string) => {
  const read = readPasswordFile(file)
  if (!read.ok) throw new FailedStart(read.problem)
  return read.hash
}

const securityHeaders = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(styleSheet).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

const send = (
  response: ServerResponse,
  code: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void => {
  response.writeHead(code, {
    ...securityHeaders,
    ...headers,
    'content-type': type.includes('charset') ? type : `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

const refuseLogin = (response: ServerResponse, verdict: Verdict): void =>
  verdict === 'busy'
    ? send(response, 503, 'text/plain', 'Too many logins. Try again in a while.\n', { 'retry-after': '6' })
    : send(response, 401, 'text/plain', 'User and password are needed; admin.http.users names them.\n', {
        'www-authenticate': 'Basic realm="balancer", charset="UTF-8"',
      })
