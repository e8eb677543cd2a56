// The HTTP server of the status page: limits, authentication, who may do what, and where each answer comes from.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { readPasswordFile } from '../../config/password-file.ts'
import type { StatusPageConfig } from '../../config/schema.ts'
import { plainAddress } from '../../core/endpoint.ts'
import { FailedStart } from '../../core/failed-start.ts'
import type { Event } from '../../pool/core/events.ts'
import type { History } from '../core/model/history.ts'
import type { ListenerStatus, PageRefusals } from '../core/model/status.ts'
import type { Viewer } from '../core/views/page/forms.ts'
import type { Page } from '../core/views/page/page.ts'
import type { Scene } from '../core/views/page/parts.ts'
import { createAdmission } from './admission.ts'
import { send, sendCompressed } from './answer.ts'
import { createCredentials, type Verdict } from './credentials.ts'
import { createDocuments, type DocumentName, documentAt } from './documents.ts'
import { createDoors, type Doors, type Inherit } from './doors.ts'
import { createEventStream } from './event-stream.ts'
import { createLive } from './live.ts'
import { createLoginLog } from './login-log.ts'
import { createOrderForms, type RunOrder } from './order-forms.ts'
import { createRequestNotes, type LogRequest } from './request-log.ts'
import { createTurns, oneAtATime } from './turns.ts'

/** The status page, open or not. */
export type StatusPage = {
  /** Opens what another configuration needs beside what is open. Throws `FailedStart`, and nothing has changed then. */
  readonly prepare: (http: StatusPageConfig | undefined) => Promise<PreparedPage>
  /** Tells those who look at the page, or read the stream of events, of one more. */
  readonly note: (event: Event) => void
  readonly handles: Doors['handles']
  readonly retire: Doors['retire']
  readonly stop: () => void
}

/** Another configuration of the page that can be taken over or called off. */
export type PreparedPage = { readonly apply: () => void; readonly cancel: () => void }

export type StatusPageOptions = {
  /** What the page needs while it is open; the documents show whatever is the configuration then. */
  readonly http: StatusPageConfig | undefined
  readonly scene: (refusals: PageRefusals) => Scene
  /** Carries out what an operator orders on the page. */
  readonly run: RunOrder
  readonly log: Logger
  readonly logRequest?: LogRequest
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
const millisPerSecond = 1000
/** What the documents show is so old at most, and never older than the last event or order. */
const sceneMillis = 250

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
  const notes = createRequestNotes(options.logRequest ?? unheard, admission.count)
  const turns = createTurns(refused)
  const inTurn = oneAtATime()
  let looked: { readonly at: number; readonly scene: Scene } | undefined
  /** Strangers may ask for `/healthz`, as often as they like: what is made of a thousand servers is made four times a second at most. */
  const scene = (): Scene => {
    const now = performance.now()
    if (looked === undefined || now - looked.at > sceneMillis)
      looked = { at: now, scene: withOneHistory(options.scene(refusals)) }
    return looked.scene
  }
  const documents = createDocuments()
  const forms = createOrderForms(options.run, log)
  const live = createLive(scene, log, refused)
  const stream = createEventStream(() => scene().timeline.events, refused)

  const viewerOf = (user: string, { users }: StatusPageConfig): Viewer => {
    const isOperator = users.some(({ name, role }) => name === user && role === 'operator')
    return { user, token: isOperator ? forms.tokenOf(user) : null }
  }
  /** The user's name, empty where the document needs none; or undefined, and the answer is out. */
  const userOf = async (request: IncomingMessage, response: ServerResponse, name: DocumentName | undefined) => {
    if (http !== undefined && name !== undefined && isPublic(name, http) && !isPost(request)) return ''
    const source = plainAddress(request.socket.remoteAddress)
    const { verdict, user } = await credentials.verify(request.headers.authorization, source)
    if (http?.users.some(({ name }) => name === user)) notes.by(request, user)
    if (verdict === 'granted') return user
    if (verdict === 'wrong' || verdict === 'busy') loginRefused(verdict, source, user)
    refused(verdict === 'missing' ? 'no-password' : verdict === 'busy' ? 'busy' : 'wrong-password')
    refuseLogin(response, verdict)
    return undefined
  }
  const takeOrder = async (request: IncomingMessage, response: ServerResponse, viewer: Viewer): Promise<void> => {
    if (viewer.token === null) {
      refused('viewer')
      const text = 'You may look, and not give orders: your role in admin.http.users is viewer.\n'
      return send(response, 403, 'text/plain', text)
    }
    const taken = await forms.take(request, viewer.user)
    looked = undefined
    if (taken.ok) {
      if (!taken.isDone) refused('order')
      const location = `${http?.path ?? '/'}?answer=${taken.answerId}`
      return send(response, 303, 'text/plain', `See ${location}\n`, { location })
    }
    refused(taken.reason)
    return send(response, taken.code, 'text/plain', `Not done: ${taken.text}.\n`)
  }
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // A whole URL, as to a proxy, is the same request (RFC 9112 section 3.2.2).
    const [path = '', queryText = ''] = (request.url ?? '').replace(/^https?:\/\/[^/?]*/i, '').split('?')
    const name = http === undefined ? undefined : documentAt(path, http.path)
    const methods = name === 'page' ? ['GET', 'HEAD', 'POST'] : ['GET', 'HEAD']
    if (!methods.includes(request.method ?? '')) {
      refused('method')
      const allow = methods.join(', ')
      return send(response, 405, 'text/plain', `Only ${allow} are served here.\n`, { allow })
    }
    const user = await userOf(request, response, name)
    if (user === undefined) return
    // A reload may have closed the page meanwhile.
    if (http === undefined) return void response.destroy()
    if (name === undefined) {
      refused('not-found')
      return send(response, 404, 'text/plain', whereAll(http.path))
    }
    const viewer = viewerOf(user, http)
    if (isPost(request)) return takeOrder(request, response, viewer)
    const opens = name === 'live' ? live : name === 'events' && asksForStream(request) ? stream : undefined
    if (opens !== undefined) {
      if (request.method === 'HEAD') return send(response, 200, 'text/event-stream', '')
      // A browser that comes back by itself has a page that is not as it was loaded.
      const isBack = request.headers['last-event-id'] !== undefined
      const since = isBack ? null : new URLSearchParams(queryText).get('since')
      if (opens.open(response, since)) return
      return send(response, 503, 'text/plain', 'Too many streams are open.\n', { 'retry-after': '6' })
    }
    if (name === 'live') return
    const query = new URLSearchParams(queryText)
    const answer = forms.answer(query.get('answer'), user)
    const { path: own, refresh } = http
    await inTurn(async () => {
      // Whoever waited for his turn may have gone.
      if (response.destroyed) return
      const shown = scene()
      if (name === 'page') live.rendered(shown)
      const isStill = query.has('still')
      const page: Page = { ...shown, viewer, answer, path: own, refreshSeconds: refresh / millisPerSecond, isStill }
      const { code, type, text } = await documents(name, page, query)
      await sendCompressed(response, code, type, text)
    })
  }
  const endStreams = (): void => {
    live.endAll()
    stream.endAll()
  }

  const createOne = (): Server => {
    const created = createServer({ ...limits, requireHostHeader: false }, (request, response) => {
      const { socket } = request
      admission.busy(socket)
      notes.begun(request, response)
      response.once('close', () => admission.idle(socket))
      turns(request, response, () => {
        respond(request, response)
          .catch((error: unknown) => {
            log.error({ err: error }, 'The status page failed')
            response.destroy()
          })
          // A body that nobody has read would keep the next request from coming.
          .finally(() => request.resume())
      })
    })
    created.timeout = silenceLimit
    created.on('connection', admission.enter)
    created.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const isSlow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      refused(isSlow ? 'slow' : 'malformed')
      if (!socket.writable) return void socket.destroy()
      const [status, phrase] = isSlow ? ([408, 'Request Timeout'] as const) : ([400, 'Bad Request'] as const)
      socket.end(`HTTP/1.1 ${status} ${phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      notes.refused(socket, status)
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
        if (!isSameLogin) {
          credentials.setUsers(new Map(users))
          // Whoever may still look comes back by himself.
          endStreams()
        }
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
    note: (event) => {
      looked = undefined
      stream.note(event)
      live.hurry()
    },
    handles: doors.handles,
    retire: () => {
      doors.retire()
      endStreams()
    },
    stop: doors.stop,
  }
}

/** A page and what is sent to it later show the same charts, whenever they are drawn. */
const withOneHistory = (scene: Scene): Scene => {
  const known = new Map<ListenerStatus, History>()
  return {
    ...scene,
    history: (listener) => {
      const history = known.get(listener) ?? scene.history(listener)
      known.set(listener, history)
      return history
    },
  }
}

/** The schema says nothing of this host. */
const isPublic = (name: DocumentName, { public: names }: StatusPageConfig): boolean =>
  name === 'schema' || names.some((known) => known === name)

const isPost = ({ method }: IncomingMessage): boolean => method === 'POST'

/** `/events` is a list for who does not ask for more. */
const asksForStream = ({ headers: { accept = '' } }: IncomingMessage): boolean => accept.includes('text/event-stream')

const whereAll = (path: string): string =>
  `The status page is at ${path}, as JSON at ${path.replace(/\/$/, '')}/json (its schema at schema.json beside), as HAProxy's CSV at ${path};csv; events are at /events, as a list or a stream; /metrics is for Prometheus, /healthz for other load balancers\n`

const nothing: Inherit = () => undefined
const unheard: LogRequest = () => {}

const hashOf = (file: string) => {
  const read = readPasswordFile(file)
  if (!read.ok) throw new FailedStart(read.problem)
  return read.hash
}

const refuseLogin = (response: ServerResponse, verdict: Verdict): void =>
  verdict === 'busy'
    ? send(response, 503, 'text/plain', 'Too many logins. Try again in a while.\n', { 'retry-after': '6' })
    : send(response, 401, 'text/plain', 'User and password are needed; admin.http.users names them.\n', {
        'www-authenticate': 'Basic realm="balancer", charset="UTF-8"',
      })
