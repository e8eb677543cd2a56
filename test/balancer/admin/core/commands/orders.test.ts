// What is ordered from the page: how a form is read, and what is made of forms that are not ours.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { readOrder } from '../../../../../balancer/admin/core/commands/orders.ts'
import { statusOf } from '../../../../../balancer/admin/core/model/status.ts'
import { startStatusPage } from '../../../../../balancer/admin/http/status-page.ts'
import { hashPassword } from '../../../../../balancer/config/password-file.ts'
import { balancerSchema } from '../../../../../balancer/config/schema.ts'
import { createAccounts } from '../../../../../balancer/pool/core/accounts.ts'
import { createPool } from '../../../../../balancer/pool/core/pool.ts'
import { waitFor } from '../../../../lab/wait-for.ts'
import { freePort } from '../../../datapath/loopback.ts'
import { rendered, sceneOf } from '../../scene.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-orders-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const passwordFile = join(directory, 'password')
writeFileSync(passwordFile, await hashPassword('right'), { mode: 0o600 })

t.test('a form stands for the commands of the runtime socket', async (t) => {
  const commands = (form: string) => readOrder(new URLSearchParams(form))
  t.same(commands('listener=mysql&server=db1&server=db2&server=db1&action=drain&weight='), {
    ok: true,
    commands: [
      ['server', 'mysql/db1', 'drain'],
      ['server', 'mysql/db2', 'drain'],
    ],
  })
  t.same(commands('listener=mysql&server=db1&action=weight&weight=+7'), {
    ok: true,
    commands: [['server', 'mysql/db1', 'weight', '7']],
  })
  t.same(commands('listener=mysql&server=db1&action=end-sessions'), {
    ok: true,
    commands: [['sessions', 'end', 'mysql/db1']],
  })
  t.same(commands('instance=VI_1&action=handover'), { ok: true, commands: [['vrrp', 'VI_1', 'handover']] })
  for (const form of [
    '',
    'listener=mysql&action=drain',
    'server=db1&action=drain',
    'listener=mysql&server=db1&action=',
    'listener=mysql&server=db1&action=constructor',
    'listener=mysql&server=db1&action=reload',
    'listener=mysql&server=db1&action=weight',
    'instance=VI_1&action=drain',
    `listener=mysql&action=drain${Array.from({ length: 1001 }, (_, i) => `&server=db${i}`).join('')}`,
  ]) {
    t.match(commands(form), { ok: false, text: /\w/ }, form.slice(0, 60))
  }
})

t.test('over HTTP', async (t) => {
  const port = await freePort()
  const config = balancerSchema.parse({
    router_id: 'lb1',
    listeners: [{ name: 'mysql', bind: '198.18.0.100:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }],
    admin: {
      http: {
        bind: `127.0.0.1:${port}`,
        users: [
          { name: 'admin', password_file: passwordFile, role: 'operator' },
          { name: 'other', password_file: passwordFile, role: 'operator' },
        ],
      },
    },
  })
  let refused: Readonly<Record<string, number>> = {}
  const ran: (readonly string[])[] = []
  const status = statusOf({
    ...{ config, pool: createPool(), accounts: createAccounts(), version: '0', now: 5000, startedAt: 0, iso: String },
    refusals: {},
  })
  const page = await startStatusPage({
    http: config.admin.http,
    scene: (refusals) => {
      refused = refusals
      return sceneOf(status)
    },
    run: async (user, words) => {
      ran.push([user, ...words])
      return words.includes('weight') ? { ok: false, text: 'a <b> is no weight' } : { ok: true, text: 'done so' }
    },
    log: pino({ level: 'silent' }),
  })
  t.teardown(() => page.stop())
  const address = `http://127.0.0.1:${port}/status`
  const authorizationOf = (user: string): string => `Basic ${Buffer.from(`${user}:right`).toString('base64')}`
  const get = (path: string, user = 'admin') =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: authorizationOf(user) } })
  const tokenOf = async (user: string): Promise<string> => {
    const [, token = ''] = /name="token" value="([^"]+)"/.exec(await (await get('/status', user)).text()) ?? []
    return token
  }
  const token = await tokenOf('admin')
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(address, {
      method: 'POST',
      redirect: 'manual',
      body,
      headers: {
        authorization: authorizationOf('admin'),
        origin: `http://127.0.0.1:${port}`,
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
    })
  const drain = `listener=mysql&server=db1&action=drain&token=${token}`

  t.test('an order leads back to the page, which tells once what came of it, to this user alone', async (t) => {
    const answer = await post(drain)
    t.equal(answer.status, 303)
    const location = answer.headers.get('location') ?? ''
    t.match(location, /^\/status\?answer=[\w-]{16}$/)
    t.same(ran.pop(), ['admin', 'server', 'mysql/db1', 'drain'])
    t.match(await (await get(location)).text(), '<b>Done:</b> done so')
    t.notMatch(await (await get(location, 'other')).text(), 'done so')
    const failed = await post(`listener=mysql&server=db1&action=weight&weight=x&token=${token}`)
    const told = await (await get(failed.headers.get('location') ?? '')).text()
    t.match(told, '<b>Not done:</b> a &lt;b&gt; is no weight')
    t.equal(refused['order'], 1)
  })

  t.test('the token is another text in each page, which is sent compressed, and all of them are taken', async (t) => {
    const tokens = [token, await tokenOf('admin'), await tokenOf('admin')]
    t.equal(new Set(tokens).size, tokens.length)
    const halves = tokens.flatMap((one) => [one.slice(0, 20), one.slice(-20)])
    t.equal(new Set(halves).size, halves.length, 'no part of it stays')
    for (const one of tokens) t.equal((await post(drain.replace(token, one))).status, 303)
  })

  t.test('what is not ours is refused, counted by reason, and carries out nothing', async (t) => {
    ran.length = 0
    const cases = [
      ['token', 403, () => post('listener=mysql&server=db1&action=drain')],
      ['token', 403, async () => post(drain.replace(token, await tokenOf('other')))],
      ['token', 403, () => post(`${drain}x`)],
      ['origin', 403, () => post(drain, { origin: 'null' })],
      ['origin', 403, () => post(drain, { origin: 'http://127.0.0.1:1' })],
      ['body-type', 415, () => post(drain, { 'content-type': 'text/plain' })],
      ['too-large', 413, () => post(`${drain}&server=${'x'.repeat(140_000)}`)],
      ['no-password', 401, () => post(drain, { authorization: '' })],
      ['method', 405, () => fetch(`${address}/json`, { method: 'POST', body: drain })],
    ] as const
    for (const [reason, code, send] of cases) {
      const before = refused[reason] ?? 0
      t.equal((await send()).status, code, reason)
      await get('/status')
      t.equal(refused[reason], before + 1, reason)
    }
    t.same(ran, [])
  })

  t.test('a form that is never sent to its end does no harm', async (t) => {
    const before = refused['gone'] ?? 0
    const socket = connect(port, '127.0.0.1')
    const head = [
      'POST /status HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      `Origin: http://127.0.0.1:${port}`,
      `Authorization: ${authorizationOf('admin')}`,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${drain.length}`,
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${drain.slice(0, -5)}`)
    await new Promise((resolve) => socket.once('connect', resolve))
    setTimeout(() => socket.destroy(), 50)
    await waitFor('it to be counted', async () => {
      await get('/status')
      return (refused['gone'] ?? 0) > before
    })
    t.same(ran, [])
  })

  t.test('names of servers cannot leave their form', async (t) => {
    const shown = rendered(status, { viewer: { user: '<i>', token: '"><b>' } })
    t.match(shown, 'name="token" value="&quot;&gt;&lt;b&gt;"')
    t.match(shown, 'You are &lt;i&gt;, operator')
  })
})
