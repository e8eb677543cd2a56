import { execFileSync } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { tryNotifications } from '../../../../balancer/commands/notify.ts'
import { vrrpSchema } from '../../../../balancer/config/vrrp-schema.ts'
import { pauseAfter } from '../../../../balancer/vrrp/core/notification.ts'
import { createNotifications } from '../../../../balancer/vrrp/notify/notifications.ts'
import { createQueue } from '../../../../balancer/vrrp/notify/queue.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { quietLog } from '../quiet-log.ts'

t.setTimeout(120_000)
const directory = mkdtempSync(join(tmpdir(), 'notify-'))
chmodSync(directory, 0o777)
t.teardown(() => rmSync(directory, { recursive: true }))

const program = (name: string, text: string): string => {
  const file = join(directory, name)
  writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return file
}
const linesOf = (file: string): readonly string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []

const vrrpOf = (notify: object | undefined, more: object = {}, group?: object) => {
  const instance = (name: string, id: number) => ({
    name,
    interface: 'eth0',
    virtual_router_id: id,
    virtual_addresses: [`198.18.0.${100 + id}/24`],
    ...(notify === undefined ? {} : { notify }),
  })
  return vrrpSchema.parse({
    instances: [instance('V', 1), instance('W', 2)],
    ...(group === undefined ? {} : { sync_groups: [{ name: 'G', instances: ['V', 'W'], notify: group }] }),
    ...more,
  })
}
const start = (vrrp: ReturnType<typeof vrrpOf>) => {
  const { log, messages } = quietLog()
  return { notifications: createNotifications({ vrrp, routerId: 'lb1', log }), messages }
}

/** Writes down, in one line, a word, the arguments, and what the environment told the program when it was started. */
const teller = (word: string, out: string): string =>
  `echo "${word} [$*] $(tr '\\0' '\\n' < /proc/$$/environ | grep ^BALANCER_ | sort | tr '\\n' '|')" >> ${out}`

t.test('scripts learn what keepalived tells and more, in order, the one of the state first', async (t) => {
  const out = join(directory, 'told')
  const states = ['master', 'backup', 'fault', 'stop'] as const
  // The one of the state is slow: whoever does not wait for it is earlier.
  const own = Object.fromEntries(
    states.map((state) => [state, [program(`told-${state}`, `sleep 0.2; ${teller(state, out)}`), 'own', 'words']]),
  )
  const any = [program('told-any', teller('any', out)), 'own']
  const { notifications } = start(vrrpOf({ ...own, any }))
  notifications.entered('V', 'backup', 100, 'started')
  notifications.entered('V', 'master', 101, 'no advertisement heard')
  notifications.entered('V', 'master', 101, 'said again')
  notifications.entered('V', 'fault', 101, 'script "chk" failed\0')
  await waitFor('all to be told', () => linesOf(out).length === 6)
  notifications.entered('V', 'stop', 90, 'shutdown requested')
  await notifications.stop()
  const told = (state: string, previous: string, priority: number, reason: string): readonly string[] => {
    const environment = [
      'BALANCER_NAME=V',
      `BALANCER_PREVIOUS_STATE=${previous}`,
      `BALANCER_PRIORITY=${priority}`,
      `BALANCER_REASON=${reason}`,
      'BALANCER_ROUTER_ID=lb1',
      `BALANCER_STATE=${state.toUpperCase()}`,
      'BALANCER_TYPE=INSTANCE',
    ]
    const shown = `${environment.join('|')}|`
    return [`${state} [own words] ${shown}`, `any [own INSTANCE V ${state.toUpperCase()} ${priority}] ${shown}`]
  }
  t.same(linesOf(out), [
    ...told('backup', '', 100, 'started'),
    ...told('master', 'BACKUP', 101, 'no advertisement heard'),
    ...told('fault', 'MASTER', 101, 'script "chk" failed '),
    ...told('stop', 'FAULT', 90, 'shutdown requested'),
  ])
})

t.test('scripts of one instance never run at once, also across a reload; another instance does not wait', async (t) => {
  const out = join(directory, 'serial')
  const gate = join(directory, 'gate')
  const lock = join(directory, 'serial-lock')
  const slowly = `if test $BALANCER_NAME = V; then mkdir ${lock} || echo overlap >> ${out}
    while ! test -e ${gate}; do sleep 0.05; done; sleep 0.1; rmdir ${lock}; fi`
  const tell = `echo "$0 $BALANCER_NAME $BALANCER_STATE" | sed 's|^.*/serial-||' >> ${out}`
  const notify = { timeout: '1m' }
  const [own, any, after] = ['own', 'any', 'after'].map((name) => program(`serial-${name}`, `${slowly}; ${tell}`))
  const { notifications } = start(vrrpOf({ ...notify, backup: own, master: own, any }))
  notifications.entered('V', 'backup', 100, '')
  notifications.entered('V', 'master', 100, '')
  await waitFor('the first to run', () => existsSync(lock))
  notifications.reconfigure(vrrpOf({ ...notify, backup: after, any: after }))
  notifications.entered('V', 'backup', 100, '')
  notifications.entered('W', 'backup', 100, '')
  await waitFor('the other instance to be told', () => linesOf(out).length === 2)
  t.same(linesOf(out), ['after W BACKUP', 'after W BACKUP'])
  writeFileSync(gate, '')
  await waitFor('all to be told', () => linesOf(out).length === 8)
  const [, , ...told] = linesOf(out)
  t.same(told, ['own V BACKUP', 'any V BACKUP', 'own V MASTER', 'any V MASTER', 'after V BACKUP', 'after V BACKUP'])
  await notifications.stop()
})

t.test('a group is told once when all of its members have moved', async (t) => {
  const out = join(directory, 'group')
  const any = program('group-any', `echo "$*" >> ${out}`)
  const { notifications } = start(vrrpOf(undefined, {}, { any }))
  for (const state of ['backup', 'master', 'fault'] as const) {
    notifications.entered('V', state, 100, '')
    notifications.entered('W', state, 100, '')
  }
  await notifications.stop()
  t.same(linesOf(out), ['GROUP G BACKUP 0', 'GROUP G MASTER 0', 'GROUP G FAULT 0'])
})

t.test('a script that hangs is killed with its children, is logged, and only its own instance waits', async (t) => {
  const out = join(directory, 'after-hang')
  const child = join(directory, 'hanging-child')
  const hang = program('hang', `trap '' TERM; echo working; sleep 1000 & echo $! > ${child}; wait; wait; sleep 1000`)
  const any = program('after', `test $3 = FAULT && exit 3; echo "$2 $3" >> ${out}`)
  const { notifications, messages } = start(vrrpOf({ master: hang, any, timeout: '1s' }))
  notifications.entered('V', 'master', 100, '')
  t.notOk(existsSync(child), 'nothing is started within the call')
  notifications.entered('V', 'backup', 100, '')
  notifications.entered('W', 'backup', 100, '')
  notifications.entered('W', 'fault', 100, '')
  await waitFor('all to be told', () => linesOf(out).length === 3)
  t.same(linesOf(out), ['W BACKUP', 'V MASTER', 'V BACKUP'])
  t.ok(messages().includes(`(V) notify script ${hang} failed (timed out after 1000 ms)`))
  t.ok(messages().includes(`(W) notify script ${any} failed (exited with status 3)`))
  const id = Number(readFileSync(child, 'utf8'))
  const state = () => (existsSync(`/proc/${id}`) ? readFileSync(`/proc/${id}/stat`, 'utf8') : ') Z ')
  await waitFor('its child to be gone', () => /\) Z /.test(state()))
  await notifications.stop()
})

t.test('a script runs as its own user, else as that of all scripts, else as the balancer', async (t) => {
  const out = join(directory, 'whoami')
  const who = program('who', `echo "$(id -u) $(id -G) $HOME $USER $LOGNAME" >> ${out}`)
  writeFileSync(out, '', { mode: 0o666 })
  chmodSync(out, 0o666)
  const own = { any: who, user: 'nobody' }
  const runs = [
    vrrpOf(own, { script_user: 'daemon' }),
    vrrpOf({ any: who }, { script_user: 'daemon' }),
    vrrpOf({ any: who }),
  ]
  for (const vrrp of runs) {
    const { notifications } = start(vrrp)
    notifications.entered('V', 'master', 100, '')
    await notifications.stop()
  }
  const { uid } = userInfo()
  t.same(linesOf(out).slice(0, 2), ['65534 65534 /nonexistent nobody nobody', '1 1 /usr/sbin daemon daemon'])
  t.match(linesOf(out)[2], new RegExp(`^${uid} `))
})

t.test('a flood of output holds nothing', async (t) => {
  const flood = program('flood', 'head -c 300000 /dev/zero | tr "\\\\0" x; echo; echo last; exit 1')
  const { notifications, messages } = start(vrrpOf({ any: flood }))
  notifications.entered('V', 'master', 100, '')
  await waitFor('it to end', () => messages().length === 1)
  t.match(messages(), [/failed \(exited with status 1\)/])
  await notifications.stop()
})

t.test('a queue keeps the newest, says what it dropped, and never runs within add', async (t) => {
  const ran: number[] = []
  const dropped: number[] = []
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const queue = createQueue<number>(
    2,
    async (item) => {
      ran.push(item)
      await gate
    },
    (item) => dropped.push(item),
  )
  queue.add(1)
  t.same(ran, [])
  await waitFor('the first', () => ran.length === 1)
  for (const item of [2, 3, 4, 5]) queue.add(item)
  release()
  await queue.idle()
  t.same(ran, [1, 4, 5])
  t.same(dropped, [2, 3])
})

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void
const serve = async (handler: Handler, wantedPort = 0) => {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => handler(request, response, body))
  })
  await new Promise<void>((resolve) => server.listen(wantedPort, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}

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
  const { notifications, messages } = start(vrrpOf(undefined, { webhooks: [{ url, timeout: '300ms' }] }))
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
  const isRefused = new Promise((resolve) => subscribe('undici:client:connectError', resolve))
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
    t.match(all, /failed \(answered 404\)/)
    t.match(all, /webhook http:\/\/127.0.0.1:9 failed \(no connection: /)
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
    [301, 401].map((status) => `(V) webhook ${url} failed (answered ${status})`),
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
  t.match(messages(), [/failed \(no connection: DEPTH_ZERO_SELF_SIGNED_CERT\)/])
  t.equal(requests, 0)
  await notifications.stop()
})

t.test('of thousands of changes that nobody has time for the newest are told, in order', async (t) => {
  const out = join(directory, 'thousands')
  const gate = join(directory, 'thousands-gate')
  const any = program('thousands-any', `while ! test -e ${gate}; do sleep 0.05; done; echo "$4" >> ${out}`)
  const { notifications, messages } = start(vrrpOf({ any, timeout: '1m' }))
  for (let i = 1; i <= 5000; i += 1) notifications.entered('V', i % 2 === 0 ? 'master' : 'backup', i, '')
  t.match(messages().at(-1), /notify scripts are too slow: left out /)
  t.equal(messages().length, 5000 - 16)
  writeFileSync(gate, '')
  await waitFor('the rest', () => linesOf(out).at(-1) === '5000')
  t.same(
    linesOf(out),
    Array.from({ length: 16 }, (_, i) => `${4985 + i}`),
  )
  await notifications.stop()
})

t.test('pauses between attempts grow and have an end', async (t) => {
  t.same([1, 2, 3, 10].map(pauseAfter), [500, 1000, 2000, 30_000])
})

t.test('a test runs each script and webhook once and tells what came of it', async (t) => {
  const out = join(directory, 'trial')
  const url = await serve((_, response, body) => {
    response.writeHead(JSON.parse(body).test === true ? 204 : 500).end()
  })
  const good = program('good', `echo "$BALANCER_STATE $BALANCER_TEST $*" >> ${out}`)
  const bad = program('bad', 'echo something is wrong; exit 7')
  const vrrp = vrrpOf({ master: bad, any: good }, { webhooks: [{ url }] })
  const trials: object[] = []
  const config = { router_id: 'lb1', vrrp: { ...vrrp, instances: vrrp.instances.slice(0, 1) } }
  t.equal(await tryNotifications(config, (trial) => trials.push(trial)), false)
  t.match(trials, [
    { ok: false, text: `V master ${bad}: exited with status 7, said: something is wrong` },
    { ok: true, text: `V any ${good}: exited with status 0` },
    { ok: true, text: `webhook ${url}: answered 204` },
  ])
  t.same(linesOf(out), ['BACKUP 1 INSTANCE V BACKUP 100'])
})

t.test('stopping waits a while, then kills what hangs', async (t) => {
  const child = join(directory, 'stop-child')
  const hang = program('stop-hang', `sleep 1000 & echo $! > ${child}; wait`)
  const { notifications } = start(vrrpOf({ any: hang, timeout: '10m' }))
  notifications.entered('V', 'stop', 100, '')
  await notifications.stop()
  const id = Number(readFileSync(child, 'utf8'))
  const state = () => (existsSync(`/proc/${id}`) ? readFileSync(`/proc/${id}/stat`, 'utf8') : ') Z ')
  await waitFor('its child to be gone', () => /\) Z /.test(state()))
  t.pass()
})
