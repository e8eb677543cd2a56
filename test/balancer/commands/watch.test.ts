// `balancer show --watch` as somebody at a terminal has it: the real program in a pseudo-terminal of script(1), against a
// runtime socket that says what the test wants.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { leaveScreen } from '../../../balancer/admin/core/views/terminal/ansi.ts'
import { balancerProgram as program } from '../../lab/programs.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { eventful, statusAfter } from '../admin/core/model/status-scenes.ts'
import { createScreen } from '../admin/core/views/terminal/screen-of.ts'
import { healthFact } from '../pool/health-fact.ts'

t.setTimeout(240_000)
const directory = mkdtempSync(join(tmpdir(), 'watch-'))
const [socket, config] = [join(directory, 'admin.sock'), join(directory, 'balancer.yaml')]
writeFileSync(config, `admin: { socket: ${socket} }\n`)
t.teardown(() => rmSync(directory, { recursive: true }))
const { NODE_OPTIONS: _, NO_COLOR: __, COLORTERM: ___, ...inherited } = process.env
const env = { ...inherited, TERM: 'xterm' }

const isDown = healthFact('db1', { up: false, health: { value: 0, rise: 2, fall: 3 } })
let document: unknown = statusAfter(eventful)
const events = [{ at: '2023-11-14T22:14:50.000Z', level: 'info', text: '(VI_1) Entering MASTER STATE' }]

/** A balancer that answers, until it is stopped. */
const answering = (): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      let line = ''
      client.setEncoding('utf8').on('error', () => client.destroy())
      client.on('data', (chunk: string) => {
        line += chunk
      })
      client.on('end', () => client.end(`${JSON.stringify(line.includes('events') ? events : document)}\n\n`))
    })
    server.listen(socket, () => resolve(server))
  })

/** The view in a terminal of 24 lines and 100 columns, whose settings are read before and after. */
const open = (name: string, options = '') => {
  const file = (what: string): string => join(directory, `${name}.${what}`)
  const node = `${process.execPath} ${options} ${program} show --watch=200ms --config ${config}`
  const command = [
    `tty > ${file('tty')}; stty rows 24 cols 100; stty -g > ${file('before')}`,
    `sh -c 'echo $$ > ${file('pid')}; exec ${node}' 2> ${file('errors')}`,
    `echo $? > ${file('code')}; stty -g > ${file('after')}`,
  ].join('; ')
  const child = spawn('script', ['-qfc', command, '/dev/null'], { env, stdio: 'pipe' })
  t.teardown(() => child.kill('SIGKILL'))
  const screen = createScreen()
  let written = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    written += chunk
    screen.write(chunk)
  })
  const read = (what: string): string => (existsSync(file(what)) ? readFileSync(file(what), 'utf8').trim() : '')
  return {
    child,
    screen,
    type: (keys: string) => void child.stdin.write(keys),
    resize: (rows: number, columns: number) =>
      execFileSync('stty', ['-F', read('tty'), 'rows', `${rows}`, 'cols', `${columns}`]),
    /** Waits until the screen shows it. */
    shows: (pattern: RegExp) =>
      waitFor(
        `the screen to show ${pattern}`,
        () => {
          const shown = screen.lines().join('\n')
          if (!pattern.test(shown)) throw new Error(shown)
          return shown
        },
        patience,
      ),
    kill: (signal: NodeJS.Signals) => process.kill(Number(read('pid')), signal),
    isGone: () =>
      !existsSync(`/proc/${read('pid')}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${read('pid')}/status`, 'utf8')),
    /** Waits for the end: the exit code, what was said, and whether the terminal is as it was. */
    end: async () => {
      await waitFor(`the end of ${name}`, () => read('after'), patience)
      await waitFor('the last of the output', () => written.endsWith(leaveScreen), patience)
      const isAsBefore = read('before') === read('after') && screen.mode(1049) === false && screen.mode(25) === true
      return { code: Number(read('code')), errors: read('errors'), isAsBefore }
    },
  }
}
const patience = { limit: 60_000 }

t.test(
  'it shows the whole, follows what changes, and draws only that; keys and the size of the window work',
  async (t) => {
    let server = await answering()
    const view = open('first')
    await view.shows(/^lb1 .*\n✖ Trouble: holds 198\.18\.0\.100, 1 of 3 servers up\n[\s\S]*mysql\/db1 +UP writer/)
    t.equal(view.screen.mode(1049), true)
    document = statusAfter([...eventful, isDown])
    await view.shows(/0 of 3 servers up[\s\S]*mysql\/db1 +DOWN writer/)
    t.equal(view.screen.clears(), 1, 'the screen was wiped at the beginning alone')

    view.type('3')
    await view.shows(/\[3 vrrp\][\s\S]*MASTER because/)
    view.type('\t\t')
    await view.shows(/\[5 events\][\s\S]*\(VI_1\) Entering MASTER STATE/)
    view.type('1')
    view.resize(40, 60)
    const lines = (await view.shows(/\[1 status\][\s\S]*q quit[^\n]*$/)).split('\n')
    await waitFor('the new size', () => view.screen.lines().length === 40, patience)
    t.ok(
      view.screen.lines().every((line) => line.length <= 60),
      lines.join('\n'),
    )

    view.type('p')
    await view.shows(/\nPAUSED ✖/)
    document = statusAfter(eventful)
    view.type('p')
    await view.shows(/mysql\/db1 +UP writer/)

    server.close()
    rmSync(socket, { force: true })
    await view.shows(/\n✖ No answer for [\s\S]*\nno balancer answers at/)
    await view.shows(/mysql\/db1 +UP writer/)
    server = await answering()
    await view.shows(/\n✖ Trouble: holds/)
    view.type('q')
    t.same(await view.end(), { code: 0, errors: '', isAsBefore: true })
    server.close()
  },
)

t.test('however it ends, the terminal is given back', async (t) => {
  const server = await answering()
  const failing = join(directory, 'failing.mjs')
  writeFileSync(failing, "process.on('SIGUSR2', () => { throw new Error('made to fail') })")
  const ends: Readonly<Record<string, (view: ReturnType<typeof open>) => void>> = {
    'ctrl-c': (view) => view.type('\x03'),
    interrupted: (view) => view.kill('SIGINT'),
    terminated: (view) => view.kill('SIGTERM'),
    failed: (view) => view.kill('SIGUSR2'),
  }
  const results = await Promise.all(
    Object.entries(ends).map(async ([name, finish]) => {
      const view = open(name, `--import ${failing}`)
      await view.shows(/servers up/)
      finish(view)
      return [name, await view.end()] as const
    }),
  )
  const byName = new Map(results)
  t.same(byName.get('ctrl-c'), { code: 0, errors: '', isAsBefore: true })
  t.same(byName.get('interrupted'), { code: 130, errors: '', isAsBefore: true })
  t.same(byName.get('terminated'), { code: 143, errors: '', isAsBefore: true })
  t.match(byName.get('failed'), { code: 1, errors: /made to fail/, isAsBefore: true })
  server.close()
})

t.test('a window that is closed ends it, and one that was suspended goes on', async (t) => {
  const server = await answering()
  const view = open('window')
  await view.shows(/servers up/)
  view.type('\x1a')
  await waitFor('the terminal for somebody else', () => view.screen.mode(1049) === false, patience)
  view.kill('SIGCONT')
  await waitFor('the view again', () => view.screen.mode(1049) === true, patience)
  await view.shows(/servers up/)
  view.child.kill('SIGKILL')
  await waitFor('its end', () => view.isGone(), patience)
  t.pass('it is gone')
  server.close()
})

const run = (...words: readonly string[]) => {
  const child = spawn(process.execPath, [program, 'show', ...words, '--config', config], { env, stdio: 'pipe' })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}
const said = async (child: ReturnType<typeof run>) => {
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code, out, err }
}

t.test('without a terminal it says what to do; as JSON it is a document on each line', async (t) => {
  t.match(await said(run('--watch')), { code: 64, out: '', err: /this is none; without --watch .* --watch --json/ })
  t.match(await said(run('--watch=2')), { code: 64, err: /write --watch=2s/ })
  t.match(await said(run('stat', '--watch')), { code: 64, err: /--watch shows status, servers, .*, not stat/ })
  t.match(await said(run('--color=blue')), { code: 64, err: /--color is one of auto, always, never, not blue/ })
  const child = run('--watch=200ms', '--json')
  let err = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk
  })
  await waitFor('a word about the missing balancer', () => /no balancer answers/.test(err), patience)
  const server = await answering()
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) {
    if (lines.push(line) === 3) break
  }
  for (const line of lines) t.equal(JSON.parse(line).router_id, 'lb1')
  t.equal(err.split('no balancer answers').length, 2, 'it was told of once')
  // Whoever reads has seen enough.
  child.stdout.destroy()
  const [code] = await once(child, 'exit')
  t.equal(code, 0)

  const plain = await said(run('servers', '--color=never'))
  t.notMatch(plain.out, '\x1b')
  t.match((await said(run('servers', '--color'))).out, '\x1b[30;42mUP writer')
  server.close()
})
