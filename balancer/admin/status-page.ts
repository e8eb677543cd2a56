// The HTTP server of the status page: limits, authentication, and the two documents it serves.

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { readPasswordFile } from '../config/password-file.ts'
import type { StatusPageConfig } from '../config/schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import { watchAddresses } from '../os/address-watch.ts'
import { createWaitingListener } from '../os/waiting-listener.ts'
import { renderPage, styleSheet } from './core/page.ts'
import type { PageRefusals, Status } from './core/status.ts'
import { createCredentials, type Verdict } from './credentials.ts'

/** The running status page. */
export type StatusPage = { readonly stop: () => void }

export type StatusPageOptions = {
  /** What the page needs while it is open; the documents show whatever is the configuration then. */
  readonly http: StatusPageConfig | undefined
  readonly status: (refusals: PageRefusals) => Status
  readonly log: Logger
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
const maximumConnections = 256

/** Serves `path` as a page and `path/json` as JSON where `admin.http` asks for it. Throws `FailedStart`. */
export const startStatusPage = async (options: StatusPageOptions): Promise<StatusPage | undefined> => {
  const { http, log } = options
  if (http === undefined) return undefined
  const refusals: Record<string, number> = {}
  const refused = (reason: string): void => {
    refusals[reason] = (refusals[reason] ?? 0) + 1
  }
  const credentials = createCredentials(new Map(http.users.map((user) => [user.name, hashOf(user.password_file)])))
  const status = () => options.status(refusals)

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split('?')[0]
    const wanted = path === http.path ? 'page' : path === `${http.path.replace(/\/$/, '')}/json` ? 'json' : undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refused('method')
      return send(response, 405, 'text/plain', 'Only GET and HEAD are served here.\n', { allow: 'GET, HEAD' })
    }
    const verdict = await credentials.verify(request.headers.authorization, request.socket.remoteAddress ?? '')
    if (verdict !== 'granted') {
      refused(verdict === 'missing' ? 'no-password' : verdict === 'busy' ? 'busy' : 'wrong-password')
      return refuseLogin(response, verdict)
    }
    if (wanted === undefined) {
      refused('not-found')
      return send(response, 404, 'text/plain', `The status page is at ${http.path}, its JSON at ${http.path}/json\n`)
    }
    if (wanted === 'json') return send(response, 200, 'application/json', `${JSON.stringify(status(), null, 2)}\n`)
    return send(response, 200, 'text/html', renderPage(status(), http.refresh / 1000))
  }

  const server = (): Server => {
    const created = createServer({ ...limits, requireHostHeader: false }, (request, response) => {
      request.resume()
      respond(request, response).catch((error: unknown) => {
        log.error({ err: error }, 'The status page failed')
        response.destroy()
      })
    })
    created.maxConnections = maximumConnections
    created.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      refused(error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'slow' : 'malformed')
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      else socket.destroy()
    })
    return created
  }
  return openListeners(http, server, log)
}

const openListeners = async (http: StatusPageConfig, server: () => Server, log: Logger): Promise<StatusPage> => {
  const servers: Server[] = []
  const listeners: ReturnType<typeof createWaitingListener>[] = []
  const watch = await watchAddresses((address) => {
    for (const listener of listeners) listener.addressChanged(address)
  })
  for (const [i, endpoint] of http.bind.entries()) {
    const created = server()
    servers.push(created)
    listeners.push(
      createWaitingListener({
        endpoint,
        server: created,
        key: `admin.http.bind[${i}]`,
        isPresent: watch.has,
        onChange: ({ address, open }) => {
          log.info({ address }, `Status page is ${open ? 'open' : 'closed'} on ${address}`)
        },
        onAcceptFailure: (code) => log.warn({ code }, `The status page could not accept a client: ${code}`),
      }),
    )
  }
  await Promise.all(listeners.map((listener) => listener.start()))
  return {
    stop: () => {
      watch.close()
      for (const listener of listeners) listener.stop()
      for (const created of servers) created.closeAllConnections()
    },
  }
}

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
    'content-type': `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

const refuseLogin = (response: ServerResponse, verdict: Exclude<Verdict, 'granted'>): void =>
  verdict === 'busy'
    ? send(response, 503, 'text/plain', 'Too many logins at once. Try again.\n', { 'retry-after': '1' })
    : send(response, 401, 'text/plain', 'User and password are needed; admin.http.users names them.\n', {
        'www-authenticate': 'Basic realm="balancer", charset="UTF-8"',
      })
