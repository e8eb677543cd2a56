import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ask } from '../../agent/compare/ask.ts'
import { agree, comparisonTable, gistOf } from '../../agent/compare/core/comparison.ts'
import { parseRequestLine, usualRequests } from '../../agent/compare/core/requests.ts'
import { startInetd } from '../../agent/compare/inetd.ts'

const closed = (text: string) => ({ text, end: 'closed' as const })

t.test('requests are written with escapes, and a FIN stands at the end', async (t) => {
  t.same(parseRequestLine('GET / HTTP/1.0\\r\\n\\r\\n'), {
    name: 'GET / HTTP/1.0\\r\\n\\r\\n',
    bytes: Buffer.from('GET / HTTP/1.0\r\n\r\n'),
    hasEnded: false,
  })
  t.match(parseRequestLine('\\e'), { name: '(nothing) then FIN', hasEnded: true })
  t.equal(parseRequestLine('\\e').bytes.length, 0)
  t.match(parseRequestLine('a\\\\e'), { bytes: Buffer.from('a\\e'), hasEnded: false })
  t.match(parseRequestLine('\\x16\\0'), { bytes: Buffer.of(0x16, 0) })
  t.ok(usualRequests.length > 10)
})

t.test('answers are compared by what a checker makes of them', async (t) => {
  const classic = closed(
    'HTTP/1.1 200 OK\r\n\nContent-Type: Content-Type: text/plain\r\n\n\r\n\nMySQL is running.\r\n\n\r\n\n',
  )
  const agent = closed('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nMySQL is running.\r\n')
  t.equal(gistOf(agent), '200 MySQL is running.')
  t.equal(gistOf(classic), '200 MySQL is running.')
  t.equal(gistOf(closed('')), 'no answer')
  t.equal(
    gistOf({ text: 'HTTP/1.0 503 x\r\n\r\n<html><body>MySQL is *down*.</body></html>', end: 'reset' }),
    '503 MySQL is *down*. (reset)',
  )
  t.ok(agree({ name: '', script: classic, agent }))
  const down = closed('HTTP/1.1 503 Service Unavailable\r\n\r\nMySQL is *down*.\r\n')
  t.notOk(agree({ name: '', script: classic, agent: down }))
  t.match(
    comparisonTable([{ name: 'GET /', script: classic, agent: down }]),
    /^GET \/ +200 MySQL is running\. +503 .* <- differs$/m,
  )
})

t.test('a script gets the connection as from xinetd, with its words', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'agent-compare-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'check')
  writeFileSync(file, '#!/bin/sh\nread line\necho "HTTP/1.0 200 $1 $line" >&2\n')
  chmodSync(file, 0o755)
  const complaints: string[] = []
  const inetd = await startInetd({ file, args: ['word'] }, (text) => complaints.push(text))
  t.teardown(inetd.stop)
  t.same(await ask(inetd.port, parseRequestLine('hello\\n'), 5000), closed('HTTP/1.0 200 word hello\n'))
  const missing = await startInetd({ file: `${file}.none`, args: [] }, (text) => complaints.push(text))
  t.teardown(missing.stop)
  t.match(await ask(missing.port, parseRequestLine(''), 5000), { text: '' })
  t.match(complaints, [/ENOENT/])
})
