// Every command of the runtime socket, and what it answers: ours, and HAProxy's in its own words.

import { pino } from 'pino'
import t from 'tap'
import { commands } from '../../../balancer/admin/core/commands/table.ts'
import { statusOf } from '../../../balancer/admin/core/model/status.ts'
import { csvColumns } from '../../../balancer/admin/core/views/csv.ts'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { runtimeCommands } from '../../../balancer/main/runtime-commands.ts'
import type { RuntimeSources } from '../../../balancer/main/runtime-sources.ts'
import { createAccounts } from '../../../balancer/pool/core/accounts.ts'
import { createPool } from '../../../balancer/pool/core/pool.ts'
import { type ListedSession, sessionId } from '../../../balancer/pool/core/session-list.ts'
import type { SessionsEnded } from '../../../balancer/pool/core/session-order.ts'
import { failedCheck, healthFact } from '../pool/health-fact.ts'
import { listenerFact } from '../pool/listener-fact.ts'

const config = balancerSchema.parse({
  router_id: 'lb1',
  listeners: [
    {
      ...{ name: 'mysql', bind: '198.18.0.100:3306', max_connections: 100 },
      servers: [
        { name: 'db1', address: '198.18.0.11:3306', weight: 100 },
        { name: 'db2', address: '[2001:db8::12]:3307', backup: true },
      ],
    },
    { name: 'reader', bind: '198.18.0.101:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] },
  ],
})
const passed = { ...failedCheck('ok'), passed: true, status: 'L7OK', code: 200 } as const
const facts = [
  healthFact('db1', { weight: 75, lastCheck: passed }),
  healthFact('db2', { up: false, backup: true, admin: 'maint', lastCheck: failedCheck() }),
  listenerFact({
    binds: [{ address: '198.18.0.100:3306', open: true, why: null }],
    ...{ sessions: 3, maximumSessions: 7, totalSessions: 40 },
  }),
]
const refuse = async () => ({ ok: false as const, lines: ['not asked for'] })
const none: SessionsEnded = { ended: [], troubles: [] }
const two = (server: string): SessionsEnded => ({ ended: [{ listener: 'mysql', server, sessions: 2 }], troubles: [] })
const session: ListedSession = {
  client: { address: '198.18.1.5', port: 40_112 },
  ...{ listener: 'mysql', bind: '198.18.0.100:3306', server: 'db1' },
  ...{ acceptedAt: Date.now() - 3_661_000, isJoined: true, bytesIn: 10, bytesOut: 20 },
}

/** Somebody says something, and what came of it: the answer, and what was ordered. */
const say = async (line: string, change: Partial<RuntimeSources> & { readonly ended?: SessionsEnded } = {}) => {
  const { ended = none, ...others } = change
  const ordered: unknown[] = []
  const accounts = createAccounts()
  for (const fact of facts) accounts.hear(fact, 3000)
  const clock = { version: '1.2', now: 5000, startedAt: 0, iso: (at: number) => `${at}`, refusals: {} }
  const run = runtimeCommands(
    {
      ...{ requestReload: refuse, requestReexec: refuse, orderRouter: refuse },
      events: () => [],
      status: () => statusOf({ config, pool: createPool(facts), accounts, ...clock }),
      order: ({ listener, server, orders }) => {
        ordered.push([`${listener}/${server}`, orders])
        return facts.find((fact) => fact.fact === 'server-health')
      },
      endSessions: async (end) => {
        ordered.push(end)
        return ended
      },
      sessions: async () => ({ sessions: [session], left: 0, troubles: [] }),
      clearCounters: (all) => void ordered.push(all ? 'all' : 'maxima'),
      process: () => ({
        pid: 7,
        uptimeSeconds: 93_784,
        startedAt: 4000,
        released: '2026/11/29',
        idle: 0.987,
        openFiles: 9,
      }),
      ...others,
    },
    pino({ level: 'silent' }),
  )
  return { text: await run(line.split(' '), 'somebody'), ordered }
}
const answer = async (line: string, ended?: SessionsEnded): Promise<string> =>
  (await say(line, ended === undefined ? {} : { ended })).text

t.test('every command of the table is carried out', async (t) => {
  for (const { words, of } of commands) {
    const { text } = await say(words)
    if (of !== 'connection') t.notMatch(text, /^Unknown command/, words)
  }
})

t.test('an order to end sessions is answered with what came of it', async (t) => {
  t.same(await say('sessions end mysql/db1', { ended: two('db1') }), {
    text: '2 sessions ended on mysql/db1',
    ordered: [{ by: 'server', listener: 'mysql', server: 'db1' }],
  })
  t.equal(await answer('sessions end mysql/db1'), 'mysql/db1 has no session here')
  t.equal(await answer('sessions end 198.18.1.5'), '198.18.1.5 has no session here')
  t.equal(await answer('sessions end mysql/old', two('old')), '2 sessions ended on mysql/old', 'a reload took it away')
})

t.test('what cannot be carried out, or not wholly, is refused', async (t) => {
  t.equal(await answer('sessions end mysql/db9'), 'error: there is no server db9 in mysql; there are db1, db2')
  t.equal(await answer('sessions end pg/db1'), 'error: there is no listener pg; show servers lists all')
  const late = { troubles: ['the process kernel died'] }
  t.equal(await answer('sessions end 198.18.1.5', { ...none, ...late }), 'error: the process kernel died')
  t.equal(
    await answer('sessions end mysql/db1', { ...two('db1'), ...late }),
    'error: 2 sessions ended on mysql/db1; but the process kernel died',
  )
  t.same((await say('sessions stop mysql/db1')).ordered, [], 'nobody is asked')
  t.match(
    await answer('show servers all'),
    /^error: there is no listener or server all; write: show servers .*listeners: mysql/,
  )
  t.equal(await answer('show vrrp VI_9'), 'error: show vrrp takes no name; write: show vrrp [--json]')
  const [alone, whole] = [await answer('show servers mysql/db1'), await answer('show servers mysql')]
  t.match(alone, /^mysql\/db1 /m)
  t.notMatch(alone, /mysql\/db2/)
  t.match(whole, /^mysql\/db1 [\s\S]*^mysql\/db2 /m)
  t.equal(await answer('reload now'), 'error: reload takes no argument now')
  const broken = () => {
    throw new TypeError('a bug with a secret in it')
  }
  const { text } = await say('show servers', { status: broken })
  t.equal(text, 'error: the balancer could not carry it out; its log says why')
})

t.test('what is unknown is answered with the nearest, as HAProxy does', async (t) => {
  t.equal(
    await answer('shwo inof'),
    [
      "Unknown command: 'shwo inof', but maybe one of the following ones is a better match:",
      '  show info [typed|json]                  : report information about the running process',
      '  help [<command>]                        : list matching or all commands',
      '  prompt [n|i|p]                          : toggle interactive mode with prompt',
      '  quit                                    : disconnect',
    ].join('\n'),
  )
  t.match(
    await answer('set'),
    /^Unknown command: 'set', but.*\n {2}set server .*\n {2}set timeout cli .*\n {2}set weight /,
  )
  t.match(await answer('set map x y'), /^Unknown command: 'set map x y', but.*\n {2}set server /)
  t.match(
    await answer('ls -l'),
    /^Unknown command\. Please enter one of the following commands only:\n {2}clear counters/,
  )
  t.match(await answer('show'), /^SERVER +STATUS/, 'show alone is show servers')
})

t.test('show info has the keys of HAProxy, with numbers where tools read numbers', async (t) => {
  const lines = (await answer('show info')).split('\n')
  const values = new Map(lines.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]))
  t.match(Object.fromEntries(values), {
    ...{ Name: 'balancer', Version: '1.2', Release_date: '2026/11/29', Nbthread: '1', Pid: '7', node: 'lb1' },
    ...{ Uptime: '1d 2h03m04s', Uptime_sec: '93784', Idle_pct: '99', Start_time_sec: '4', 'Ulimit-n': '9' },
    ...{ Maxconn: '4100', CurrConns: '3', CumConns: '40', Listeners: '1' },
  })
  const texts = new Set(['Name', 'Version', 'Release_date', 'Uptime', 'node', 'Build info'])
  for (const [key, value] of values) if (!texts.has(key)) t.match(value, /^\d+$/, key)
})

t.test('show stat answers rows of CSV, all or those asked for', async (t) => {
  const rows = async (line: string): Promise<readonly string[]> => {
    const [head, ...rest] = (await answer(line)).trimEnd().split('\n')
    t.equal(head, `# ${csvColumns.join(',')},`)
    return rest.map((row) => row.split(',').slice(0, 2).join('/'))
  }
  const [mysql, reader] = [['FRONTEND', 'db1', 'db2', 'BACKEND'].map((name) => `mysql/${name}`), 'reader']
  t.same(await rows('show stat'), [...mysql, ...['FRONTEND', 'db1', 'BACKEND'].map((name) => `${reader}/${name}`)])
  t.same(await rows('show stat -1 4 -1'), ['mysql/db1', 'mysql/db2', 'reader/db1'])
  t.same(await rows('show stat 2 3 -1'), ['mysql/FRONTEND', 'mysql/BACKEND'])
  t.same(await rows('show stat mysql 4 2'), ['mysql/db2'])
  t.same(await rows('show stat 9 -1 -1'), [])
  t.same(
    await rows('show stat mysql -1 -1 no-maint'),
    mysql.filter((name) => !name.endsWith('db2')),
  )
  t.same(await rows('show stat -1 4 -1 up'), ['mysql/db1'])
  t.equal(await answer('show stat pg -1 -1'), 'No such proxy.')
})

t.test('a session that is not found because a process was late is told as that', async (t) => {
  const late = async () => ({ sessions: [], left: 0, troubles: ['the process proxy did not answer in time'] })
  const { text } = await say(`show sess ${sessionId(session.client)}`, { sessions: late })
  t.equal(text, 'error: the process proxy did not answer in time')
})

t.test('typed and JSON say of every value what it is, of the same rows and keys', async (t) => {
  const typed = (await answer('show stat mysql 4 1 typed')).split('\n')
  t.equal(typed[0], 'S.2.1.0.pxname.1:KNS:str:mysql')
  t.ok(typed.includes('S.2.1.18.weight.1:MaP:u32:75'))
  const [backend] = (await answer('show stat mysql 2 -1 typed')).split('\n').filter((line) => line.includes('.act.'))
  t.equal(backend, 'B.2.0.19.act.1:MGP:u32:1', 'tagged otherwise than that of a server')
  const plain = (await answer('show stat')).split('\n').slice(1)
  const filled = plain.flatMap((row) => row.split(',').filter((cell) => cell !== ''))
  const full = (await answer('show stat typed')).split('\n').filter((line) => !line.endsWith(':str:'))
  t.equal(full.length, filled.length, 'no column is left out')
  const rows = JSON.parse(await answer('show stat json up'))
  t.equal(rows.length, (await answer('show stat up')).split('\n').length - 1 - 1, 'without those that are not up')
  t.same(rows[1][0], {
    ...{ objType: 'Server', proxyId: 2, id: 1, field: { pos: 0, name: 'pxname' }, processNum: 1 },
    tags: { origin: 'Key', nature: 'Name', scope: 'Service' },
    value: { type: 'str', value: 'mysql' },
  })
  const info = (await answer('show info typed')).split('\n')
  t.match(info, ['0.Name.1:POS:str:balancer', '1.Version.1:POS:str:1.2'])
  t.ok(info.includes('50.node.1:COS:str:lb1'))
  t.equal(info.length, (await answer('show info')).split('\n').length)
  t.match(JSON.parse(await answer('show info json'))[6], {
    ...{ field: { pos: 6, name: 'Pid' }, tags: { origin: 'Status' }, value: { type: 'u32', value: 7 } },
  })
})

t.test('servers are told as HAProxy keeps their state', async (t) => {
  const head =
    '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'
  const mysql = [
    '2 mysql 1 db1 198.18.0.11 2 0 75 100 4 15 3 4 6 0 0 0 - 3306 - 0 0 - - 0',
    '2 mysql 2 db2 2001:db8::12 0 1 1 1 4 8 2 0 0 0 0 0 - 3307 - 0 0 - - 0',
  ]
  const reader = '3 reader 1 db1 198.18.0.11 0 0 1 1 0 1 0 0 6 0 0 0 - 3306 - 0 0 - - 0'
  t.equal(await answer('show servers state'), ['1', head, ...mysql, reader].join('\n'))
  t.equal(await answer('show servers state reader'), ['1', head, reader].join('\n'))
  t.equal(await answer('show servers state nope'), "Can't find backend.")
  t.match(
    await answer('show servers conn'),
    /^# bkname\/svname bkid\/svid .*\nmysql\/db1 2\/1 198\.18\.0\.11 3306 - 0 \d+ /,
  )
  t.equal(await answer('show servers conn nope'), "Can't find backend.")
  t.equal(await answer('show backend'), '# name\nmysql\nreader')
  t.equal(await answer('show version'), '1.2')
  t.match(
    await answer('show errors'),
    /^Total events captured on \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] : 0$/,
  )
})

t.test('sessions are listed with a number by which one can be looked at, and ended', async (t) => {
  const id = sessionId(session.client)
  t.equal(id, '0xc61201059cb0')
  t.match(
    await answer('show sess'),
    `${id}: proto=tcpv4 src=198.18.1.5:40112 fe=mysql be=mysql srv=db1 ts=00 epoch=0 age=1h1m calls=0 rate=0 cpu=0 lat=0 rq[`,
  )
  for (const line of ['show sess all', `show sess ${id}`]) {
    const text = await answer(line)
    t.match(text, /^0xc61201059cb0: \[.+\] id=0 proto=tcpv4 source=198\.18\.1\.5:40112\n {2}flags=0x0, /, line)
    t.match(text, '\n  server=db1 (id=1) addr=198.18.0.11:3306\n')
    t.match(text, /\n {2}req=.* total=10\)\n {2}res=.* total=20\)$/)
  }
  t.equal(await answer('show sess 0x1'), 'Session not found.')
  const many = async () => ({ sessions: [session], left: 12, troubles: ['the process kernel died'] })
  t.match((await say('show sess', { sessions: many })).text, /\n# 12 more are not listed\n# the process kernel died$/)

  const client = { by: 'client', ...session.client }
  t.same(await say(`shutdown session ${id}`, { ended: two('db1') }), { text: '', ordered: [client] })
  t.equal(await answer(`shutdown session ${id}`), "No such session (use 'show sess').")
  t.same(await say('shutdown session 0x123'), { text: "No such session (use 'show sess').", ordered: [] })
  t.equal(await answer('shutdown session'), "Session pointer expected (use 'show sess').")
  const onServer = { by: 'server', listener: 'mysql', server: 'db1' }
  t.same(await say('shutdown sessions server mysql/db1'), { text: '', ordered: [onServer] })
  t.equal(
    await answer('shutdown sessions server mysql/db1', { ...none, troubles: ['the process proxy died'] }),
    'error: the process proxy died',
  )
})

t.test("orders in HAProxy's words are the same orders", async (t) => {
  const ordered = async (line: string) => {
    const { text, ordered: all } = await say(line)
    t.equal(text, '', line)
    return all
  }
  for (const state of ['ready', 'drain', 'maint']) {
    t.same(await ordered(`set server mysql/db1 state ${state}`), [['mysql/db1', { admin: state }]])
  }
  t.same(await ordered('enable server mysql/db1'), [['mysql/db1', { admin: 'ready' }]])
  t.same(await ordered('disable server mysql/db1'), [['mysql/db1', { admin: 'maint' }]])
  for (const command of ['set weight mysql/db1', 'set server mysql/db1 weight']) {
    t.same(await ordered(`${command} 75`), [['mysql/db1', { weight: 75 }]])
    t.same(await ordered(`${command} 50%`), [['mysql/db1', { weight: 50 }]])
    t.same(await ordered(`${command} 300%`), [['mysql/db1', { weight: 256 }]])
    t.same(await ordered(`${command} 100%`), [['mysql/db1', { weight: null }]], 'as configured is no order')
    const wrong = {
      '': 'Require <weight> or <weight%>.',
      ' 1000': 'Absolute weight can only be between 0 and 256 inclusive.',
      ' -5': 'Absolute weight can only be between 0 and 256 inclusive.',
      ' -5%': 'Relative weight must be positive.',
      ' abc': 'Empty weight string empty or preceded by garbage',
      ' 5x': 'Trailing garbage in weight string',
    }
    for (const [value, text] of Object.entries(wrong)) {
      t.same(await say(`${command}${value}`), { text, ordered: [] }, `${command}${value}`)
    }
  }
  t.equal(await answer('get weight mysql/db1'), '75 (initial 100)')
  t.same(await ordered('clear counters'), ['maxima'])
  t.same(await ordered('clear counters all'), ['all'])
})

t.test("refusals are HAProxy's, word for word", async (t) => {
  const places = [
    'get weight',
    'set server',
    'set weight',
    'enable server',
    'disable server',
    'shutdown sessions server',
  ]
  for (const command of places) {
    const rest = command === 'set server' ? ' state ready' : ' 1'
    t.equal(await answer(command), "Require 'backend/server'.", command)
    t.equal(await answer(`${command} mysql${rest}`), "Require 'backend/server'.", command)
    t.equal(await answer(`${command} nope/db1${rest}`), 'No such backend.', command)
    t.equal(await answer(`${command} mysql/nope${rest}`), 'No such server.', command)
  }
  t.equal(
    await answer('set server mysql/db1 state foo'),
    "'set server <srv> state' expects 'ready', 'drain' and 'maint'.",
  )
  for (const line of ['set server mysql/db1', 'set server mysql/db1 addr 1.2.3.4']) {
    t.equal(await answer(line), 'usage: set server <backend>/<server> state | weight')
  }
})
