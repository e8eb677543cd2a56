import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
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

t.test('scripts learn what keepalived tells, in order, the one of the state first', async (t) => {
  const out = join(directory, 'told')
  const any = program('any', `echo "any $*" >> ${out}`)
  const master = program(
    'master',
    `sleep 0.2; echo "master $# $1 $BALANCER_TYPE $BALANCER_NAME $BALANCER_STATE $BALANCER_PRIORITY $BALANCER_PREVIOUS_STATE $BALANCER_ROUTER_ID $BALANCER_REASON" >> ${out}`,
  )
  const { notifications } = start(vrrpOf({ master: [master, 'own'], any }))
  notifications.entered('V', 'backup', 100, 'started')
  notifications.entered('V', 'master', 101, 'timeout')
  notifications.entered('V', 'master', 101, 'again')
  notifications.entered('V', 'stop', 101, 'shutdown')
  await notifications.stop()
  t.same(linesOf(out), [
    'any INSTANCE V BACKUP 100',
    'master 1 own INSTANCE V MASTER 101 BACKUP lb1 timeout',
    'any INSTANCE V MASTER 101',
    'any INSTANCE V STOP 101',
  ])
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

t.test('a script runs as the user it is given, and a flood of output holds nothing', async (t) => {
  const out = join(directory, 'whoami')
  const who = program('who', `id -un >> ${out}`)
  const flood = program('flood', 'head -c 300000 /dev/zero | tr "\\\\0" x; echo; echo last; exit 1')
  const { notifications, messages } = start(vrrpOf({ master: who, any: flood, user: 'nobody' }))
  notifications.entered('V', 'master', 100, '')
  await waitFor('both to end', () => messages().length === 2)
  t.same(linesOf(out), ['nobody'])
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
const serve = async (handler: Handler) => {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => handler(request, response, body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}

t.test('a webhook is tried again until it is taken, in order, with its secret header', async (t) => {
  const token = join(directory, 'token')
  writeFileSync(token, 'Bearer s3cret\n', { mode: 0o600 })
  const heard: object[] = []
  let refusals = 2
  const url = await serve((request, response, body) => {
    if (refusals > 0) {
      refusals -= 1
      response.writeHead(500).end()
      return
    }
    heard.push({ ...JSON.parse(body), authorization: request.headers.authorization })
    response.end('ok')
  })
  const webhooks = [{ url: `${url}/path-s3cret`, header_files: { Authorization: token } }]
  const { notifications, messages } = start(vrrpOf(undefined, { webhooks }))
  notifications.entered('V', 'backup', 100, 'started')
  notifications.entered('V', 'master', 101, 'timeout')
  await waitFor('both', () => heard.length === 2)
  const authorization = 'Bearer s3cret'
  t.match(heard, [
    { event: 'vrrp-state', router_id: 'lb1', type: 'instance', name: 'V', state: 'backup', authorization },
    { state: 'master', previous_state: 'backup', priority: 101, reason: 'timeout', test: false },
  ])
  await notifications.stop()
  t.notMatch(messages().join('\n'), /s3cret/)
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
