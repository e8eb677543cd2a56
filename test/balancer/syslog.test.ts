import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { type LogConfig, logSchema } from '../../balancer/config/log-schema.ts'
import { type SyslogLine, syslogMessage } from '../../balancer/core/syslog.ts'
import { openSyslog, type SyslogTrouble } from '../../balancer/syslog.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const directory = mkdtempSync(join(tmpdir(), 'syslog-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const at = { year: 2026, month: 2, day: 6, hour: 9, minute: 5, second: 7, millisecond: 8 }
const line: SyslogLine = {
  level: 'warn',
  at,
  iso: '2026-02-06T08:05:07.008Z',
  name: 'balancer',
  pid: 77,
  kind: 'director',
  text: 'Server mysql/db1 is DOWN',
}

t.test('a line in both formats, with and without the name of the host', async (t) => {
  const write = (format: 'rfc3164' | 'rfc5424', isLocal = false, more: Partial<SyslogLine> = {}): string =>
    syslogMessage({ format, facility: 'local0', host: 'lb1', isLocal }, { ...line, ...more })
  t.equal(write('rfc3164'), '<132>Feb  6 09:05:07 lb1 balancer[77]: Server mysql/db1 is DOWN')
  t.equal(write('rfc3164', true), '<132>Feb  6 09:05:07 balancer[77]: Server mysql/db1 is DOWN')
  t.equal(write('rfc5424'), '<132>1 2026-02-06T08:05:07.008Z lb1 balancer 77 director - Server mysql/db1 is DOWN')
  t.equal(write('rfc5424', true), write('rfc5424'))
  t.same(
    (['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const).map(
      (level) => /^<\d+>/.exec(write('rfc3164', true, { level }))?.[0],
    ),
    ['<130>', '<131>', '<132>', '<134>', '<135>', '<135>'],
  )
  t.match(syslogMessage({ format: 'rfc3164', facility: 'daemon', host: '', isLocal: false }, line), /^<28>/)
  t.equal(
    write('rfc5424', false, { text: `a\x1b[2J\n<0>${'x'.repeat(5000)}` }).length,
    2046,
    'the ellipsis has three bytes',
  )
  for (const one of ['x', 'ä', '€', '😀', 'a😀']) {
    const cut = write('rfc3164', false, { text: one.repeat(5000) })
    t.ok(Buffer.byteLength(cut) <= 1024 && Buffer.byteLength(cut) > 1024 - Buffer.byteLength(one) - 1, one)
    t.match(cut, new RegExp(`balancer\\[77\\]: (${one})+a?…$`), 'cut between two characters')
  }
  t.match(write('rfc3164', true, { text: 'a\r\n<0>b\x1b[2J\u202e' }), /: a <0>b \[2J$/)
})

const configOf = (syslog: string, more: object = {}) => {
  const config = logSchema.parse({ syslog, ...more })
  if (config.syslog === undefined) throw new Error('there is no receiver')
  return { ...config, syslog: config.syslog } satisfies LogConfig
}
const start = (syslog: string, more: object = {}) => {
  const troubles: SyslogTrouble[] = []
  const opened = openSyslog(configOf(syslog, more), (trouble) => troubles.push(trouble))
  t.teardown(opened.close)
  const write = (text: string): void => opened.write({ level: 'info', kind: 'proxy', text })
  return { write, say: opened.write, troubles }
}
/** A UDP port that nobody else has at this moment, with a receiver on it. */
const receive = async (port = 0, address = '127.0.0.1') => {
  const socket = createSocket(address === '127.0.0.1' ? 'udp4' : 'udp6')
  const lines: string[] = []
  socket.on('message', (message) => lines.push(message.toString()))
  socket.bind(port, address)
  await once(socket, 'listening')
  return { port: socket.address().port, lines, close: async () => void (await once(socket.close(), 'close')) }
}

t.test('a receiver may have an IPv6 address', async (t) => {
  const { port, lines, close } = await receive(0, '::1')
  const { write, troubles } = start(`[0::1]:${port}`)
  write('one line')
  await waitFor('the line', () => lines.length === 1)
  t.match(lines, [/one line$/])
  t.same(troubles, [])
  await close()
})

/** What rsyslogd makes of a line (its documentation: Properties). */
const properties = [
  'syslogfacility-text',
  'syslogseverity-text',
  'timereported',
  'hostname',
  'syslogtag',
  'programname',
  'app-name',
  'procid',
  'msgid',
  'structured-data',
  'msg',
]

t.test('rsyslogd reads every format as what it is', async (t) => {
  const { port, close } = await receive()
  await close()
  const [local, plain, file, pid] = ['local', 'plain', 'lines', 'pid'].map((name) => join(directory, name))
  const config = join(directory, 'rsyslog.conf')
  writeFileSync(
    config,
    `module(load="imudp")
module(load="imuxsock" SysSock.Use="off")
input(type="imudp" address="127.0.0.1" port="${port}")
input(type="imuxsock" Socket="${local}")
input(type="imuxsock" Socket="${plain}" UseSpecialParser="off")
template(name="t" type="list" option.jsonf="on") {
${properties.map((name) => `  property(outname="${name}" name="${name}" format="jsonf")`).join('\n')}
}
action(type="omfile" file="${file}" template="t" asyncWriting="off")
`,
  )
  const daemon = spawn('rsyslogd', ['-n', '-f', config, '-i', `${pid}`], { stdio: 'inherit' })
  t.teardown(() => daemon.kill('SIGKILL'))
  const senders = [
    start(`127.0.0.1:${port}`),
    start(`127.0.0.1:${port}`, { format: 'rfc5424', facility: 'daemon' }),
    start(`${local}`),
    start(`${plain}`, { format: 'rfc5424' }),
  ]
  await waitFor('rsyslogd to listen', () => existsSync(`${local}`) && existsSync(`${plain}`) && existsSync(`${pid}`))
  const written = (): readonly Record<string, string>[] =>
    existsSync(`${file}`)
      ? readFileSync(`${file}`, 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((one) => z.record(z.string(), z.string()).parse(JSON.parse(one)))
      : []
  const told = `"Größe" 100%… <1> {"a": [1]} \\ ' #$ 😀\r\n<0>second line\u001b[2J`
  const heard = `"Größe" 100%… <1> {"a": [1]} \\ ' #$ 😀 <0>second line [2J`
  for (const [i, { write }] of senders.entries()) {
    write(`line ${i}: ${told}`)
    await waitFor(`line ${i}`, () => written().length > i)
  }
  const ours = {
    ...{
      hostname: hostname().split('.')[0],
      programname: 'balancer',
      'app-name': 'balancer',
      procid: `${process.pid}`,
    },
    ...{ 'syslogseverity-text': 'info', 'structured-data': '-' },
  }
  const old = { ...ours, 'syslogfacility-text': 'local0', syslogtag: `balancer[${process.pid}]:`, msgid: '-' }
  const tag = `balancer[${process.pid}]`
  const lines = written().map(({ msg = '', timereported, ...rest }) => ({ ...rest, msg: msg.trimStart() }))
  t.same(lines, [
    { ...old, msg: `line 0: ${heard}` },
    { ...ours, 'syslogfacility-text': 'daemon', syslogtag: tag, msgid: 'proxy', msg: `line 1: ${heard}` },
    { ...old, msg: `line 2: ${heard}` },
    { ...ours, 'syslogfacility-text': 'local0', syslogtag: tag, msgid: 'proxy', msg: `line 3: ${heard}` },
  ])
  t.same(
    written().filter(({ timereported = '' }) => !/^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d$/.test(timereported)),
    [],
  )
  const [first, second] = senders
  const before = written().length
  for (const [i, level] of (['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const).entries()) {
    second?.say({ level, kind: 'vrrp', text: `${level} ${'ö'.repeat(70_000)}` })
    first?.say({ level, kind: 'vrrp', text: `${level} ${'x'.repeat(70_000)}` })
    await waitFor(`both lines of ${level}`, () => written().length === before + 2 * (i + 1))
  }
  t.same(
    new Set(
      written()
        .slice(before)
        .map((one) => `${one['msg']?.trimStart().split(' ')[0]} ${one['syslogseverity-text']}`),
    ),
    new Set(['fatal crit', 'error err', 'warn warning', 'info info', 'debug debug', 'trace debug']),
  )
  t.ok(
    written()
      .slice(before)
      .every(({ msg }) => msg?.endsWith('…')),
    'what is too long is cut, and all of it arrives',
  )
  t.same(
    senders.flatMap(({ troubles }) => troubles),
    [],
  )
})

/** Writes until something is told of the receiver. */
const until = async (what: SyslogTrouble['is'], { write, troubles }: ReturnType<typeof start>): Promise<void> => {
  await waitFor(`the receiver to be ${what}`, () => {
    write('again')
    return troubles.at(-1)?.is === what
  })
}

t.test('a UDP port where nobody listens costs lines and nothing else, and is found again', async (t) => {
  const first = await receive()
  const { port } = first
  const sender = start(`127.0.0.1:${port}`)
  sender.write('heard')
  await waitFor('a line', () => first.lines.length === 1)
  await first.close()
  await until('lost', sender)
  t.match(sender.troubles[0], { is: 'lost', receiver: `127.0.0.1:${port}`, why: 'ECONNREFUSED' })
  const second = await receive(port)
  await until('back', sender)
  t.ok(second.lines.length > 1)
  const [back, ...lost] = sender.troubles.toReversed()
  t.match(back, { is: 'back', lost: lost.length })
  await second.close()
})

t.test('a socket that is missing, full or made anew: no line is waited for', async (t) => {
  const path = join(directory, 'dev-log')
  const sender = start(path)
  sender.write('lost')
  t.match(sender.troubles, [{ is: 'lost', receiver: path, why: 'ENOENT' }])
  const bind = `import socket,sys,os
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print('bound',flush=True)
sys.stdin.readline(); s.setblocking(False)
try:
  while True: s.recv(4096)
except BlockingIOError: print('empty',flush=True)
s.setblocking(True)
while True: s.recv(4096)
`
  const receiver = spawn('python3', ['-c', bind, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => receiver.kill('SIGKILL'))
  let said = ''
  receiver.stdout.on('data', (chunk) => {
    said += String(chunk)
  })
  await waitFor('the socket', () => said.includes('bound'))
  await waitFor('it to be full', () => {
    sender.write('x'.repeat(1000))
    return sender.troubles.at(-1)?.is === 'lost' && sender.troubles.length > 1
  })
  t.match(sender.troubles.at(-1), { is: 'lost', why: 'EAGAIN' })
  receiver.stdin.write('\n')
  await waitFor('it to be empty', () => said.includes('empty'))
  await until('back', sender)
  receiver.kill('SIGKILL')
  await once(receiver, 'exit')
  await until('lost', sender)
  t.match(sender.troubles.at(-1), { why: 'ECONNREFUSED' }, 'its file is still there')
})
