import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import type { RunCommand } from '../../../../balancer/admin/socket/conversation.ts'
import { type SocketPlace, startRuntimeSocket } from '../../../../balancer/admin/socket/runtime-socket.ts'
import { startRuntimeSockets } from '../../../../balancer/admin/socket/runtime-sockets.ts'
import { FailedStart } from '../../../../balancer/core/failed-start.ts'
import { waitFor } from '../../../lab/wait-for.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-runtime-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const log = pino({ level: 'silent' })

/** Listens at a path and is killed there. */
const deadListener = join(directory, 'dead-listener.mjs')
writeFileSync(
  deadListener,
  "import { createServer } from 'node:net'\ncreateServer().listen(process.argv[2], () => process.kill(process.pid, 'SIGKILL'))\n",
)

const place = (path: string, change: Partial<SocketPlace> = {}): SocketPlace => ({
  ...{ path, level: 'admin', mode: 0o660 },
  ...change,
})

/** Says something, and hears until the other side ends. */
const ask = (path: string, text: string | Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('end', () => {
      socket.end()
      resolve(answer)
    })
  })

const longAnswer = 'x'.repeat(10_000_000)

/** Stands for the balancer behind the socket: the words of the table are known, what they do is not what matters here. */
const run: RunCommand = async (words, by) => {
  switch (words.join(' ')) {
    case 'show servers':
      return longAnswer
    case 'reload':
      return by
    case 'show vrrp':
      return 'a\u001b[31mb\n\n'
    case 'enable server mysql/db1':
      return ''
    default:
      return words.join('+')
  }
}

t.test('commands and their answers', async (t) => {
  const path = join(directory, 'deeper', 'admin.sock')
  const socket = await startRuntimeSocket(place(path), run, log)
  t.teardown(() => socket.stop())

  t.test('a line is a command with its words, the answer is its text and an empty line', async (t) => {
    t.equal(await ask(path, 'server a  b c\n'), 'server+a+b+c\n\n')
    t.equal(await ask(path, '  vrrp \r\n'), 'vrrp\n\n')
    t.equal(await ask(path, 'enable server mysql/db1\n'), '\n', 'an order of HAProxy is answered with nothing else')
    t.equal(await ask(path, 'show vrrp\n'), 'a [31mb\n\n', 'no control characters, and no more empty lines')
  })

  t.test('several commands: between semicolons, or on lines that were said at once', async (t) => {
    t.equal(await ask(path, 'vrrp a; vrrp b;vrrp c\n'), 'vrrp+a\n\nvrrp+b\n\nvrrp+c\n\n')
    t.equal(await ask(path, 'vrrp a\nvrrp b\n'), 'vrrp+a\n\nvrrp+b\n\n')
    t.equal(await ask(path, 'vrrp a\\;b\n'), 'vrrp+a;b\n\n')
  })

  t.test('with a prompt the conversation goes on until somebody quits', async (t) => {
    t.equal(await ask(path, 'prompt\nvrrp a\n\nquit\nvrrp b\n'), '\n> vrrp+a\n\n> \n> ')
    t.equal(await ask(path, 'prompt i\nvrrp a\nquit\n'), '\nvrrp+a\n\n')
    t.equal(await ask(path, 'prompt p\nprompt n\n'), '\n> \n', 'without it ends when all is said')
    t.equal(await ask(path, 'prompt x\n'), 'error: write: prompt [n|i|p]\n\n')
    t.equal(await ask(path, 'prompt; set timeout cli 120; set timeout cli 5s; quit\n'), '\n> \n> \n> ')
  })

  t.test('a timeout is a number of seconds', async (t) => {
    t.equal(await ask(path, 'set timeout cli\n'), 'Expects an integer value.\n\n')
    for (const wrong of ['x', '0', '-1', '9999999']) {
      t.equal(await ask(path, `set timeout cli ${wrong}\n`), 'Invalid timeout value.\n\n', wrong)
    }
    t.equal(await ask(path, 'set timeout foo 3\n'), "'set timeout' only supports 'cli'.\n\n")
  })

  t.test('what is no command is told what there is', async (t) => {
    for (const line of ['', 'dance', 'toString', '__proto__', '\u0000\u0001']) {
      const answer = await ask(path, `${line}\n`)
      t.match(answer, /^Unknown command\. Please enter one of the following commands only:\n {2}clear counters /, line)
      t.match(answer, /\n {2}quit +: disconnect\n\n$/)
    }
  })

  t.test('a line without an end is cut off, not collected', async (t) => {
    t.equal(await ask(path, 'x'.repeat(10_000)), 'error: a line has at most 4096 characters\n\n')
    t.equal(await ask(path, `${'x'.repeat(5000)}\n`), 'error: a line has at most 4096 characters\n\n')
  })

  t.test('who gave an order is the socket that it came by', async (t) => {
    t.equal(await ask(path, 'reload\n'), `an operator at ${path}\n\n`)
  })

  t.test('the socket is for its owner and the group', async (t) => {
    t.equal(statSync(path).mode & 0o777, 0o660)
  })

  t.test('a second balancer at the same socket does not start', async (t) => {
    await t.rejects(startRuntimeSocket(place(path), run, log), FailedStart)
    t.equal(await ask(path, 'vrrp still\n'), 'vrrp+still\n\n')
  })
})

t.test('a level allows what it does, and a client may lower its own', async (t) => {
  const places = (['user', 'operator', 'admin'] as const).map((level) =>
    place(join(directory, `${level}.sock`), { level, mode: 0o600 }),
  )
  const sockets = await startRuntimeSockets(places, run, log, { takesOver: false })
  t.teardown(sockets.stop)
  const allowed = { 'show stat': 'user', 'show sess': 'operator', 'clear counters': 'operator' } as const
  const orders = [
    'clear counters all',
    'server mysql/db1 drain',
    'set server a/b state ready',
    'reload',
    'sessions end a/b',
  ]
  const isDenied = async (path: string, line: string) => (await ask(path, `${line}\n`)).startsWith('Permission denied')
  const [user = '', operator = '', admin = ''] = places.map(({ path }) => path)
  for (const [line, level] of Object.entries(allowed)) {
    t.equal(await isDenied(user, line), level !== 'user', `user: ${line}`)
    t.equal(await isDenied(operator, line), false, `operator: ${line}`)
  }
  for (const line of orders) {
    t.equal(await isDenied(operator, line), true, `operator: ${line}`)
    t.equal(await isDenied(admin, line), false, `admin: ${line}`)
  }
  t.equal(await ask(user, 'clear counters\n'), 'Permission denied\n\n')
  const lowered = await ask(admin, 'show cli level; operator; reload; show cli level; user; show cli level\n')
  t.equal(lowered, 'admin\n\n\nPermission denied\n\noperator\n\n\nuser\n\n')
  t.equal(await ask(user, 'operator; show cli level\n'), '\nuser\n\n', 'nobody raises it')
  t.notMatch(await ask(user, 'help\n'), 'set server')
  t.match(
    await ask(admin, 'help set\n'),
    /^The following commands are valid at this level:\n {2}set server .*\n {2}set timeout cli/,
  )
})

t.test('a reload opens, changes and closes sockets', async (t) => {
  const [one, two, three] = ['one', 'two', 'three'].map((name) => place(join(directory, `${name}.sock`)))
  if (one === undefined || two === undefined || three === undefined) throw new Error('there are three')
  const sockets = await startRuntimeSockets([one, two], run, log, { takesOver: false })
  t.teardown(sockets.stop)
  const isThere = ({ path }: SocketPlace) => statSync(path, { throwIfNoEntry: false }) !== undefined
  const changed = { ...one, level: 'user', mode: 0o600, group: 'daemon' } as const

  const cancelled = await sockets.prepare([changed, three])
  t.ok(isThere(three), 'who prepares has what it needs')
  cancelled.cancel()
  t.notOk(isThere(three))
  t.same([statSync(one.path).mode & 0o777, statSync(one.path).gid], [0o660, process.getgid?.()], 'as it was')
  await t.rejects(sockets.prepare([three, { ...one, group: 'no-such-group' }]), {
    name: 'FailedStart',
    message: /there is no group no-such-group; change admin\.socket/,
  })
  t.notOk(isThere(three), 'nothing of it stays')

  const prepared = await sockets.prepare([changed, three])
  prepared.apply()
  t.same([one, two, three].map(isThere), [true, false, true])
  t.equal(statSync(one.path).mode & 0o777, 0o600)
  t.not(statSync(one.path).gid, process.getgid?.(), 'it is of another group')
  t.equal(await ask(one.path, 'reload\n'), 'Permission denied\n\n')
  t.equal(await ask(three.path, 'reload\n'), `an operator at ${three.path}\n\n`)
})

t.test('bad clients keep nobody waiting, and nothing grows', async (t) => {
  const path = join(directory, 'busy.sock')
  const socket = await startRuntimeSocket(place(path), run, log)
  t.teardown(() => socket.stop())
  const open = (onConnect: (client: Socket) => void = () => {}): Socket => {
    const client = connect(path, () => onConnect(client))
    client.on('error', () => {})
    t.teardown(() => client.destroy())
    return client
  }

  t.test('one that says nothing, one that never reads, one that writes without end', async (t) => {
    open()
    open((deaf) => deaf.write('show servers\n'.repeat(1000)))
    const before = process.memoryUsage().rss
    const noisy = open()
    noisy.resume()
    // A gigabyte, were it taken: the other side stops to read, and ends.
    const block = Buffer.alloc(1_000_000, 0xff)
    const over = new Promise((resolve) => noisy.once('close', resolve))
    for (let i = 0; i < 1000 && !noisy.destroyed && noisy.writable; i += 1) {
      if (!noisy.write(block)) await Promise.race([once(noisy, 'drain').catch(() => {}), over])
    }
    t.equal((await ask(path, 'show servers\n')).length, longAnswer.length + 2)
    t.equal(await ask(path, 'vrrp still\n'), 'vrrp+still\n\n')
    t.ok(process.memoryUsage().rss - before < 300_000_000, 'what a client says is not kept')
  })

  t.test('lines without end are answered one after the other, and others have their turn', async (t) => {
    const talker = open((client) => client.write('vrrp a\n'.repeat(200_000)))
    t.equal(await ask(path, 'vrrp between\n'), 'vrrp+between\n\n')
    talker.destroy()
  })

  t.test('a thousand connections: those that say something are served', async (t) => {
    const held = open((client) => client.write('prompt\nvrrp a\n'))
    await once(held, 'data')
    for (let i = 0; i < 1000; i += 1) open()
    for (let i = 0; i < 5; i += 1) t.equal(await ask(path, 'vrrp there\n'), 'vrrp+there\n\n')
    held.write('vrrp b\n')
    t.match(String(await once(held, 'data')), 'vrrp+b', 'who had spoken kept its connection')
  })
})

t.test('of all who talk at once one has a turn, and the process has one behind it', async (t) => {
  const path = join(directory, 'turns.sock')
  let [inOneTurn, most, done] = [0, 0, 0]
  const counting: RunCommand = async () => {
    inOneTurn += 1
    done += 1
    most = Math.max(most, inOneTurn)
    setImmediate(() => {
      inOneTurn = 0
    })
    return ''
  }
  const socket = await startRuntimeSocket(place(path), counting, log)
  t.teardown(() => socket.stop())
  await Promise.all(Array.from({ length: 20 }, () => ask(path, 'show stat\n'.repeat(20))))
  t.equal(done, 400)
  t.ok(most <= 2, `${most}: a command of the next turn may be begun before this one is counted`)
})

t.test('who has hung up is shown nothing any more, and its orders are carried out', async (t) => {
  const path = join(directory, 'gone.sock')
  const did: string[] = []
  const noting: RunCommand = async ([word = '']) => {
    did.push(word)
    return 'x'.repeat(100_000)
  }
  const socket = await startRuntimeSocket(place(path), noting, log)
  t.teardown(() => socket.stop())
  const client = connect(path, () => client.write(`${'show stat\n'.repeat(1000)}reload\nenable server a/b\n`))
  client.on('error', () => {})
  await once(client, 'data')
  client.destroy()
  await waitFor('the orders', () => did.includes('enable'))
  t.same(did.slice(-2), ['reload', 'enable'])
  t.ok(did.length < 100, `${did.length} of 1002 commands were carried out`)
})

t.test('many who never read: what waits for them is bounded, and others are answered', async (t) => {
  const path = join(directory, 'deaf.sock')
  const socket = await startRuntimeSocket(place(path), run, log)
  t.teardown(() => socket.stop())
  const deaf = Array.from({ length: 12 }, () => {
    const client = connect(path, () => client.write('show servers\n'))
    t.teardown(() => client.destroy())
    return client.on('error', () => {}).pause()
  })
  t.equal((await ask(path, 'show servers\n')).length, longAnswer.length + 2)
  for (const client of deaf) client.resume()
  await waitFor('the end of all', () => deaf.every(({ destroyed }) => destroyed))
  const served = deaf.filter(({ bytesRead }) => bytesRead > longAnswer.length).length
  t.ok(served >= 1 && served <= 4, `${served} of ${deaf.length} had kept their answers`)
})

t.test('what a dead balancer left is replaced', async (t) => {
  const path = join(directory, 'left.sock')
  const left = fork(deadListener, [path])
  await new Promise((resolve) => left.once('exit', resolve))
  t.ok(statSync(path).isSocket(), 'it left its socket')
  const socket = await startRuntimeSocket(place(path), run, log)
  t.teardown(() => socket.stop())
  t.equal(await ask(path, 'vrrp new\n'), 'vrrp+new\n\n')
})

t.test('a file that is no socket is never removed', async (t) => {
  const path = join(directory, 'precious.cnf')
  writeFileSync(path, 'data')
  await t.rejects(startRuntimeSocket(place(path), run, log), {
    name: 'FailedStart',
    message: /no socket.*admin\.socket/,
  })
  t.equal(readFileSync(path, 'utf8'), 'data')
})

t.test('a path that cannot be is a failed start that names it', async (t) => {
  const path = join(directory, 'file', 'admin.sock')
  writeFileSync(join(directory, 'file'), '')
  await t.rejects(startRuntimeSocket(place(path), run, log), {
    name: 'FailedStart',
    message: /cannot listen at .*admin\.socket/,
  })
})

t.test('a socket that is deleted comes back, with its directory and its mode', async (t) => {
  const folder = join(directory, 'run', 'balancer')
  const path = join(folder, 'admin.sock')
  const lines: string[] = []
  const telling = pino({ level: 'warn' }, { write: (line) => void lines.push(line) })
  const socket = await startRuntimeSocket(place(path), run, telling, { idle: 30_000, look: 20 })
  t.teardown(() => socket.stop())
  for (const gone of [path, folder]) {
    rmSync(gone, { recursive: true })
    await waitFor('the socket', () => statSync(path, { throwIfNoEntry: false })?.isSocket())
    t.equal(await ask(path, 'vrrp here\n'), 'vrrp+here\n\n')
    t.equal(statSync(path).mode & 0o777, 0o660)
  }
  t.match(lines.at(-1), 'was deleted; it is there again')

  rmSync(path)
  writeFileSync(path, 'data')
  await waitFor('the log to tell', () => lines.at(-1)?.includes('Something else is at'))
  socket.stop()
  t.equal(readFileSync(path, 'utf8'), 'data', 'what is of others stays')
})

t.test('a command may take longer than who talks to it may be silent', async (t) => {
  const path = join(directory, 'slow.sock')
  const slow = () => new Promise<string>((resolve) => setTimeout(resolve, 2000, 'done at last'))
  const socket = await startRuntimeSocket(place(path), slow, log, { idle: 1000, look: 2000 })
  t.teardown(() => socket.stop())
  t.equal(await ask(path, 'reload\n'), 'done at last\n\n')
})
