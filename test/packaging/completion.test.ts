// The completion of both commands, as a real bash does it: what it would insert where the cursor stands.

import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import t from 'tap'
import { help as agentHelp } from '../../agent/commands/arguments.ts'
import { statusOf } from '../../balancer/admin/core/model/status.ts'
import { startRuntimeSocket } from '../../balancer/admin/socket/runtime-socket.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { runtimeCommands } from '../../balancer/main/runtime-commands.ts'
import { createAccounts } from '../../balancer/pool/core/accounts.ts'
import { createPool } from '../../balancer/pool/core/pool.ts'
import { healthFact } from '../balancer/pool/health-fact.ts'
import { routerFact } from '../balancer/pool/router-fact.ts'
import { root } from './keys.ts'

t.setTimeout(600_000)
const directory = mkdtempSync(join(tmpdir(), 'completion-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const { NODE_OPTIONS: _, ...env } = process.env

for (const [name, main] of [
  ['balancer', 'balancer/main.js'],
  ['mysqlchk-agent', 'agent/main.js'],
] as const) {
  writeFileSync(join(directory, name), `#!/bin/sh\nexec ${process.execPath} ${join(root, 'dist', main)} "$@"\n`)
  chmodSync(join(directory, name), 0o755)
}

// The patience of a terminal is short for a machine that tests keep busy.
writeFileSync(join(directory, 'timeout'), '#!/bin/sh\nshift\nexec "$@"\n')
chmodSync(join(directory, 'timeout'), 0o755)

/** For each line what bash inserts at its end, in one interactive bash. */
const completed = async (lines: readonly string[]): Promise<readonly (readonly string[])[]> => {
  const bash = spawn('bash', ['--norc', '--noprofile', '-i'], {
    cwd: directory,
    env: { ...env, TERM: 'dumb', PATH: `${directory}:${env['PATH']}` },
    stdio: 'pipe',
  })
  bash.stdin.end(
    [
      ...['balancer', 'mysqlchk-agent'].map((name) => `source ${join(root, 'packaging/completion', name)}`),
      'bind \'"\\C-t": insert-completions\'',
      ...['balancer', 'mysqlchk-agent'].map((name) => `${name}() { echo "completed: $*"; }`),
      ...lines.map((line) => `${line}\x14`),
      'exit\n',
    ].join('\n'),
  )
  const [out, err] = await Promise.all([text(bash.stdout), text(bash.stderr)])
  // What readline shows goes there too.
  if (/no balancer answers|rror/.test(err)) throw new Error(err)
  const answers = out.split('\n').filter((line) => line.startsWith('completed: '))
  return answers.map((answer, i) => {
    const known = lines[i]?.split(' ').slice(1, -1).length ?? 0
    return answer.split(' ').slice(1 + known)
  })
}
const sorted = (words: readonly string[] = []): readonly string[] => [...words].sort()

/** What a program's help says of each command: its options, and the words to choose from. */
const inHelp = (program: string, help: string) => {
  const found = new Map<string, { options: string[]; choices: string[] }>()
  let command = ''
  for (const line of help.split('\n')) {
    const [, first] = new RegExp(`^  ${program} +\\[?([a-z-]+)\\]?( |$)`).exec(line) ?? []
    if (!line.startsWith('  ') || line.startsWith(`  ${program} --`)) command = ''
    else if (first !== undefined && !first.startsWith('-')) command = first
    if (command === '') continue
    const entry = found.get(command) ?? { options: [], choices: [] }
    entry.options.push(...(line.match(/--[a-z-]+/g) ?? []))
    entry.choices.push(...(line.match(/\b[a-z]+(\|[a-z]+)+/)?.[0].split('|') ?? []))
    found.set(command, entry)
  }
  return found
}

const balancerHelp = async (): Promise<string> => text(spawn(join(directory, 'balancer'), ['--help'], { env }).stdout)

t.test(
  'every command of the help is offered, and behind it the options that belong to it, and no others',
  async (t) => {
    const setup = await text(spawn(join(directory, 'balancer'), ['setup', '--help'], { env }).stdout)
    const setupOptions = [...setup.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option = '']) => option)
    t.ok(setupOptions.length > 10, setup)
    for (const [program, help] of [
      ['balancer', await balancerHelp()],
      ['mysqlchk-agent', agentHelp],
    ] as const) {
      const known = inHelp(program, help)
      t.ok(known.size >= 6 && known.has('check'), `${program}: ${[...known.keys()]}`)
      const names = [...known.keys()]
      const [commands, general, ...options] = await completed([
        `${program} `,
        `${program} -`,
        ...names.map((name) => `${program} ${name} -`),
      ])
      t.same(sorted(commands), sorted(names), program)
      t.same(sorted(general), ['--config', '--help', '--version'], program)
      for (const [i, name] of names.entries()) {
        const own = name === 'setup' ? setupOptions : ['--config', ...(known.get(name)?.options ?? [])]
        const all = new Set([...own.filter((option) => option !== '--help'), '--help'])
        t.same(sorted(options[i]), sorted([...all]), `${program} ${name}`)
      }
    }
  },
)

t.test('so are the words that a command takes', async (t) => {
  const known = inHelp('balancer', await balancerHelp())
  const [show, server, vrrp, sessions, weight, nothing] = await completed([
    'balancer show ',
    'balancer server mysql/db1 ',
    'balancer vrrp VI_1 ',
    'balancer sessions ',
    'balancer server mysql/db1 weight ',
    'balancer server mysql/db1 drain ',
  ])
  t.same(sorted(show), sorted(known.get('show')?.choices))
  t.same(sorted(server), sorted(known.get('server')?.choices))
  t.same(sorted(vrrp), sorted(known.get('vrrp')?.choices))
  t.same([sessions, weight, nothing], [['end'], ['initial'], []])
  t.same(await completed(['balancer show --color=n']), [['--color=never']])
  const [actions] = await completed(['mysqlchk-agent direct-return '])
  t.same(sorted(actions), sorted(inHelp('mysqlchk-agent', agentHelp).get('direct-return')?.choices))
  t.same(sorted(actions), ['down', 'status', 'up'])
})

t.test('files stand behind the options that take one, and behind --', async (t) => {
  writeFileSync(join(directory, 'lb.yaml'), '')
  const lines = [
    'balancer -c l',
    'balancer check --config=l',
    'mysqlchk-agent compare --script l',
    'mysqlchk-agent compare -- l',
    'balancer setup --output l',
  ]
  t.same(await completed(lines), [['lb.yaml'], ['--config=lb.yaml'], ['lb.yaml'], ['lb.yaml'], ['lb.yaml']])
  const others = [
    'balancer setup --interface l',
    'mysqlchk-agent once --path /pr',
    'mysqlchk-agent --config lb.yaml on',
  ]
  t.same(await completed(others), [['lo'], ['/primary'], ['once']])
})

const socket = join(directory, 'admin.sock')
const file = join(directory, 'balancer.yaml')
writeFileSync(file, `admin: { socket: ${socket} }\n`)
const config = balancerSchema.parse({
  router_id: 'lb1',
  vrrp: {
    instances: ['VI_1', 'VI:2'].map((name, i) => ({
      ...{ name, interface: 'eth0', virtual_router_id: 51 + i, virtual_addresses: [`198.18.0.10${i}/24`] },
    })),
  },
  listeners: ['mysql', 'mysql:read'].map((name, i) => ({
    ...{ name, bind: `198.18.0.10${i}:3306` },
    servers: ['db1', 'db2'].map((server, j) => ({ name: server, address: `198.18.0.1${j}:3306` })),
  })),
})
const names = ['mysql/db1', 'mysql/db2', 'mysql:read/db1', 'mysql:read/db2']

t.test('servers and instances are those of the running balancer', async (t) => {
  const pool = createPool([healthFact('db1', { up: true }), routerFact()])
  const status = () =>
    statusOf({
      config,
      pool,
      accounts: createAccounts(),
      version: '0',
      now: 5000,
      startedAt: 0,
      iso: (at) => `${at}`,
      refusals: {},
    })
  const refuse = async () => ({ ok: false as const, lines: ['not asked for'] })
  const log = pino({ level: 'silent' })
  const sources = {
    ...{
      requestReload: refuse,
      requestReexec: refuse,
      orderRouter: refuse,
      order: () => undefined,
      endSessions: async () => ({ ended: [], troubles: [] }),
      events: () => [],
      sessions: async () => ({ sessions: [], left: 0, troubles: [] }),
      clearCounters: () => {},
      process: () => ({ pid: 1, uptimeSeconds: 1, startedAt: 0, released: '', idle: 1, openFiles: 1 }),
    },
    status,
  }
  const place = { path: socket, level: 'admin', mode: 0o600 } as const
  const { stop } = await startRuntimeSocket(place, runtimeCommands(sources, log), log)
  const lines = [
    'balancer --config balancer.yaml server ',
    'balancer --config balancer.yaml server mysql:read/',
    'balancer --config=balancer.yaml vrrp ',
    'balancer --config balancer.yaml sessions end mysql:read/',
    'balancer server --config balancer.yaml mysql/db1 d',
  ]
  const answers = await completed(lines)
  stop()
  t.same(answers.slice(0, 1).map(sorted), [names])
  // Behind a colon bash inserts what follows it: mysql:read/db1 read/db2.
  const twice = ['mysql:read/db1', 'read/db2']
  t.same(answers.slice(1), [twice, ['VI:2', 'VI_1'], twice, ['drain']])
})

t.test('without a running balancer there are none, and nothing is said', async (t) => {
  t.same(await completed([`balancer -c ${file} server m`, `balancer -c ${file} vrrp `]), [['m'], []])
})
