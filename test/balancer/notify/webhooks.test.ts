import { execFileSync } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { pauseAfter } from '../../../balancer/notify/core/notification.ts'
import { answerText } from '../../../balancer/notify/core/webhook-words.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { directory, type Handler, serve, start, vrrpOf } from './stage.ts'

t.setTimeout(600_000)

t.test('a webhook gets every field by POST, in order, with its headers and the secret one', async (t) => {
  const token = join(directory, 'token')
  writeFileSync(token, 'Bearer s3cret\n', { mode: 0o600 })
  const heard: { readonly at: string }[] = []
  const requests: unknown[] = []
  const url = await serve(({ method, url: path, headers }, response, body) => {
    heard.push(JSON.parse(body))
    requests.push([method, path, headers['content-type'], headers['x-team'], headers.authorization])
    response.end('ok')
  })
  const webhook = {
    url: `${url}/path-s3cret?x=1`,
    headers: { 'X-Team': 'dba' },
    header_files: { Authorization: token },
  }
  const { notifications, messages } = start(vrrpOf(undefined, { webhooks: [webhook] }, {}))
  const startedAt = Date.now()
  notifications.entered('V', 'backup', 100, 'started')
  notifications.entered('W', 'master', 90, 'no advertisement heard')
  notifications.entered('V', 'master', 101, 'the master has a lower priority')
  notifications.entered('V', 'fault', 101, 'eth0 is down')
  notifications.entered('V', 'stop', 101, 'shutdown requested')
  await waitFor('all', () => heard.length === 6)
  await notifications.stop()
  const common = { event: 'vrrp-state', router_id: 'lb1', test: false }
  const ofV = { ...common, type: 'instance', name: 'V' }
  const [before, now] = ['no advertisement heard', 'the master has a lower priority']
  t.same(
    heard.map(({ at: _, ...rest }) => rest),
    [
      { ...ofV, state: 'backup', previous_state: null, priority: 100, reason: 'started' },
      { ...ofV, name: 'W', state: 'master', previous_state: null, priority: 90, reason: before },
      { ...ofV, state: 'master', previous_state: 'backup', priority: 101, reason: now },
      { ...common, type: 'group', name: 'G', state: 'master', previous_state: null, priority: 0, reason: now },
      { ...ofV, state: 'fault', previous_state: 'master', priority: 101, reason: 'eth0 is down' },
      { ...ofV, state: 'stop', previous_state: 'fault', priority: 101, reason: 'shutdown requested' },
    ],
  )
  for (const { at } of heard) {
    t.equal(new Date(at).toISOString(), at)
    t.ok(Date.parse(at) >= startedAt, 'when it happened')
  }
  const request = ['POST', '/path-s3cret?x=1', 'application/json', 'dba', 'Bearer s3cret']
  t.same(
    requests,
    heard.map(() => request),
  )
  t.notMatch(messages().join('\n'), /s3cret/)
})

/** Tells a webhook of two changes until it has taken both. */
const tellTwice = async (url: string): Promise<void> => {
  const { notifications, messages } = start(vrrpOf(undefined, { webhooks: [{ url, timeout: '2s' }] }))
  notifications.entered('V', 'backup', 100, 'started')
  notifications.entered('V', 'master', 101, 'no advertisement heard')
  await waitFor('both to be taken', () => messages().filter((line) => line.endsWith('answered 200')).length === 2)
  await notifications.stop()
}
const stateIn = (body: string): unknown => JSON.parse(body).state

const failures: Readonly<Record<string, Handler>> = {
  'answers 500': (_, response) => response.writeHead(500).end(),
  hangs: () => undefined,
  'cuts the connection': ({ socket }) => socket.destroy(),
}
for (const [name, fail] of Object.entries(failures)) {
  t.test(`a webhook that ${name} gets the same body again, before any later one`, async (t) => {
    const bodies: string[] = []
    const url = await serve((request, response, body) => {
      bodies.push(body)
      if (bodies.length === 1) fail(request, response, body)
      else response.end()
    })
    await tellTwice(url)
    t.same(bodies.map(stateIn), ['backup', 'backup', 'master'])
    t.equal(bodies[1], bodies[0])
  })
}

t.test('a webhook that refuses connections is told when it accepts them', async (t) => {
  const heard: unknown[] = []
  const place = createServer()
  await new Promise<void>((resolve) => place.listen(0, '127.0.0.1', resolve))
  const { port } = place.address() as AddressInfo
  place.close()
  const isRefused = new Promise((resolve) =>
    subscribe('net.client.socket', (made) => {
      const { socket } = z.object({ socket: z.instanceof(Socket) }).parse(made)
      socket.once('close', resolve)
    }),
  )
  const told = tellTwice(`http://127.0.0.1:${port}`)
  await isRefused
  await serve((_, response, body) => {
    heard.push(stateIn(body))
    response.end()
  }, port)
  await told
  t.same(heard, ['backup', 'master'])
})

t.test(
  'a webhook that hangs or refuses is given up with a line in the log, and stop does not wait for it',
  async (t) => {
    const hanging = await serve(() => undefined)
    const refusing = await serve((_, response) => response.writeHead(404).end())
    const webhooks = [
      { url: `${hanging}/a`, timeout: '100ms', retries: 0 },
      { url: `${refusing}/b` },
      { url: 'http://127.0.0.1:9/c', retries: 0 },
    ]
    const { notifications, messages } = start(vrrpOf(undefined, { webhooks }))
    notifications.entered('V', 'master', 100, '')
    await waitFor('all three', () => messages().length === 3)
    const all = messages().join('\n')
    t.match(all, /failed \(no answer within 100 ms\)/)
    t.match(all, /failed \(answered 404: it does not know this path\)/)
    t.match(all, /webhook http:\/\/127.0.0.1:9 failed \(no connection: ECONNREFUSED, nothing listens there\)/)
    notifications.reconfigure(vrrpOf(undefined, { webhooks: [{ url: `${hanging}/d`, timeout: '1m' }] }))
    notifications.entered('V', 'backup', 100, '')
    await notifications.stop()
    t.match(messages().at(-1), /failed \(given up, the balancer stops\)/)
  },
)

t.test('a redirection is not followed, a refused login not repeated, and neither shows a secret', async (t) => {
  const heard: unknown[] = []
  const token = join(directory, 'login')
  writeFileSync(token, 'Basic c2VjcmV0\n', { mode: 0o600 })
  const elsewhere = await serve(({ headers }, response) => {
    heard.push(['elsewhere', headers.authorization])
    response.end()
  })
  const url = await serve(({ url: path, headers }, response) => {
    heard.push([path, headers.authorization, headers['content-type']])
    if (path === '/moved') response.writeHead(301, { location: `${elsewhere}/c2VjcmV0` }).end()
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="c2VjcmV0"' }).end('c2VjcmV0')
  })
  const secret = {
    headers: { AUTHORIZATION: 'none', 'Content-Type': 'text/x' },
    header_files: { Authorization: token },
  }
  const webhooks = ['/moved', '/login'].map((path) => ({ url: `${url}${path}`, ...secret }))
  const { notifications, messages } = start(vrrpOf(undefined, { webhooks }))
  notifications.entered('V', 'master', 100, '')
  await waitFor('both', () => messages().length === 2)
  await notifications.stop()
  t.same(
    messages().toSorted(),
    [301, 401].map((status) => `(V) webhook ${url} failed (${answerText(status)})`),
  )
  t.same(heard.map(String).toSorted(), ['/login,Basic c2VjcmV0,text/x', '/moved,Basic c2VjcmV0,text/x'])
})

t.test('an answer without end is cut off, and one that breaks off is an answer', async (t) => {
  let written = 0
  const chunk = Buffer.alloc(64 * 1024)
  const url = await serve(({ url: path }, response) => {
    response.writeHead(200)
    if (path === '/broken') {
      response.write('half', () => response.destroy())
      return
    }
    const more = (): void => {
      if (response.destroyed) return
      written += chunk.length
      response.write(chunk, more)
    }
    more()
  })
  const webhooks = ['/endless', '/broken'].map((path) => ({ url: `${url}${path}`, timeout: '1m' }))
  const { notifications, messages } = start(vrrpOf(undefined, { webhooks }))
  notifications.entered('V', 'master', 100, '')
  await waitFor('both', () => messages().length === 2)
  await notifications.stop()
  for (const line of messages()) t.equal(line, `(V) webhook ${url} answered 200`)
  t.ok(written < 100 * 1024 * 1024, `${written} bytes`)
})

t.test('a webhook whose certificate nobody vouches for gets nothing', async (t) => {
  const [key, cert] = ['key', 'cert'].map((name) => join(directory, `${name}.pem`))
  const words = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=127.0.0.1', '-days', '2']
  execFileSync('openssl', [...words, '-keyout', key ?? '', '-out', cert ?? ''], { stdio: 'ignore' })
  let requests = 0
  const server = createTlsServer({ key: readFileSync(key ?? ''), cert: readFileSync(cert ?? '') }, (_, response) => {
    requests += 1
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const webhooks = [{ url: `https://127.0.0.1:${port}/`, retries: 0 }]
  const { notifications, messages } = start(vrrpOf(undefined, { webhooks }))
  notifications.entered('V', 'master', 100, '')
  await waitFor('the end', () => messages().length === 1)
  t.match(messages(), [/failed \(no connection: DEPTH_ZERO_SELF_SIGNED_CERT, its certificate is not accepted\)/])
  t.equal(requests, 0)
  await notifications.stop()
})

t.test('pauses between attempts grow and have an end', async (t) => {
  t.same([1, 2, 3, 10].map(pauseAfter), [500, 1000, 2000, 30_000])
})
