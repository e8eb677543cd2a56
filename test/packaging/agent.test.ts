import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../agent/config/load.ts'
import { agentSchema } from '../../agent/config/schema.ts'
import { adviceFor, certaintyOf, reasonCodes } from '../../shared/reason.ts'
import { fullMetrics } from '../agent/metrics-sample.ts'
import { mustRun } from '../lab/command.ts'
import { exportedIn, expressionsIn, metricsIn } from './alerts.ts'
import { jsonSchemas } from './json-schema.ts'
import { describedKeys, keysOf, packaged } from './keys.ts'

const directory = mkdtempSync(join(tmpdir(), 'agent-packaging-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const example = packaged('examples/agent.yaml')

const keys = keysOf(jsonSchemas().get('schema/agent.schema.json'))

/** The example as a file of its own, with its password in reach. */
const checked = (text: string) => {
  const [file, password] = [join(directory, 'agent.yaml'), join(directory, 'password')]
  writeFileSync(password, 'example\n', { mode: 0o600 })
  writeFileSync(file, text.replaceAll('/etc/mysqlchk-agent/password', password))
  return loadConfig(file, 'skip')
}

t.test('the example of agent.yaml is valid as it stands, and says the defaults', async (t) => {
  t.match(checked(example), { ok: true, warnings: [] })
  const { mysql: _login, ...written } = agentSchema.parse(parse(example))
  const { mysql: _none, ...defaults } = agentSchema.parse({})
  t.same(written, defaults)
})

t.test('what stands in its comments is valid too, one section at a time', async (t) => {
  const sections = [...example.matchAll(/^# ([a-z_]+):.*\n(?:# {3,}.*\n)*/gm)]
  t.ok(sections.length >= 10)
  const alternatives = ['socket', 'host', 'port', 'password', 'password_file', 'password_credential', 'option_file']
  for (const [section, key = ''] of sections) {
    const open = section.replace(/^# /gm, ['agent_check', 'direct_return'].includes(key) ? '' : '  ')
    const replaced = key === 'port' ? `  host: 127.0.0.1\n${open}` : open
    const text = example.replace(section, replaced)
    const without = alternatives.includes(key) ? text.replace(/^ {2}(socket|password_file): .*\n/gm, '') : text
    const loaded = checked(without)
    t.ok(loaded.ok, `${key}: ${loaded.ok ? '' : loaded.problems.join('; ')}`)
  }
})

t.test('every key of the schema stands in the example and in its man page, and no other in the page', async (t) => {
  t.ok(keys.length > 40 && keys.includes('check.heartbeat.table'), `${keys.length} keys`)
  const inPage = describedKeys(packaged('man/mysqlchk-agent.yaml.5'))
  for (const key of keys) {
    t.match(example, new RegExp(`^#? *${key.split('.').at(-1)}:`, 'm'), `${key} in the example`)
    t.ok(inPage.has(key), `${key} in the man page`)
  }
  t.same(
    [...inPage.keys()].filter((key) => !keys.includes(key)),
    [],
    'only in the man page',
  )
})

t.test('the man page tells every reason to fail, how sure it is, and what to do', async (t) => {
  const page = packaged('man/mysqlchk-agent.8').replaceAll('\\-', '-')
  for (const code of reasonCodes.filter((one) => one !== 'ok')) {
    t.ok(page.includes(`.TP\n.BR ${code} " (${certaintyOf(code)})"\n${adviceFor(code)}\n`), code)
  }
})

t.test('alert rules and dashboard ask for metrics and labels that the agent has', async (t) => {
  const text = await fullMetrics()
  const exported = exportedIn(text)
  const asked = expressionsIn('agent/mysqlchk-agent.rules.yaml', 'agent/mysqlchk-agent.dashboard.json')
  t.ok(asked.length > 15)
  for (const expr of asked) {
    for (const name of metricsIn(expr, 'mysqlchk')) t.ok(exported.has(name), `${name} in ${expr}`)
    for (const [, label = ''] of expr.matchAll(/\b(code|reason|outcome|asked|status)\b/g)) t.match(text, `${label}="`)
  }
})

t.test('the unit hands over the password that its comment names, and reloads by SIGHUP', async (t) => {
  const unit = packaged('agent/mysqlchk-agent.service')
  const credential = ['LoadCredential=password:/etc/mysqlchk-agent/password', 'SetCredential=password:\\\\n']
  for (const line of ['Type=notify', ...credential, 'ProtectSystem=strict']) t.match(unit, new RegExp(`^${line}$`, 'm'))
  t.match(unit, /^ExecReload=.*-HUP \$MAINPID$/m)
  t.match(example, /password_credential: password /)
})

t.test(
  'the agent.yaml that the package brings is valid, says the defaults, and takes its password from the unit',
  async (t) => {
    const shipped = packaged('agent/agent.yaml')
    t.match(checked(shipped), { ok: true, warnings: [], config: { mysql: { user: 'mysqlchkusr' } } })
    const { mysql, ...written } = agentSchema.parse(parse(shipped))
    const { mysql: _none, ...defaults } = agentSchema.parse({})
    t.same(written, defaults)
    t.match(mysql, { password_credential: 'password', socket: '/run/mysqld/mysqld.sock' })
    const comments = [...shipped.matchAll(/^# (?= *[a-z_]+: )/gm)]
    t.equal(comments.length, 4)
    const open = shipped.replace(/^# ( *[a-z_]+: )/gm, (_, key: string) =>
      key.startsWith('access') ? key : `  ${key}`,
    )
    const loaded = checked(open)
    t.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join('; '))
  },
)

t.test('systemd finds little that the service could do: an exposure of at most 1.5, and 2 with a right', async (t) => {
  for (const [name, most] of [
    ['mysqlchk-agent.service', 1.5],
    ['mysqlchk-agent@.service', 1.5],
    // It has a right: that is what it is for.
    ['mysqlchk-agent-direct-return.service', 2],
    ['mysqlchk-agent-direct-return@.service', 2],
  ] as const) {
    const file = fileURLToPath(new URL(`../../../packaging/agent/${name}`, import.meta.url))
    const said = await mustRun('systemd-analyze', ['security', '--offline=yes', '--no-pager', file])
    const exposure = Number(/exposure level .*: (\d+\.\d)/.exec(said)?.[1])
    t.ok(exposure <= most, `${name}: ${exposure}`)
  }
})

t.test('the template for several servers on a host is the same unit with files of its own', async (t) => {
  const [one, each] = ['mysqlchk-agent.service', 'mysqlchk-agent@.service'].map((name) =>
    packaged(`agent/${name}`).split('\n'),
  )
  const differing = (each ?? []).filter((line, i) => line !== one?.[i])
  t.equal(one?.length, each?.length)
  t.same(
    differing.filter((line) => !line.includes('%i')),
    [],
  )
  t.match(each?.join('\n'), /^ExecStart=.* --config \/etc\/mysqlchk-agent\/%i\.yaml$/m)
  t.match(each?.join('\n'), /^LoadCredential=password:\/etc\/mysqlchk-agent\/%i\.password$/m)
})

t.test('the agent has no right at all, and its unit of direct return has one', async (t) => {
  const rights = (name: string) => packaged(`agent/${name}`).match(/^(CapabilityBoundingSet|AmbientCapabilities)=.*$/gm)
  for (const name of ['mysqlchk-agent.service', 'mysqlchk-agent@.service']) {
    t.same(rights(name), ['CapabilityBoundingSet=', 'AmbientCapabilities='], name)
  }
  for (const name of ['mysqlchk-agent-direct-return.service', 'mysqlchk-agent-direct-return@.service']) {
    t.same(rights(name), ['CapabilityBoundingSet=CAP_NET_ADMIN', 'AmbientCapabilities='], name)
  }
})

t.test('the template of direct return is the same unit with a file of its own', async (t) => {
  const [one, each] = ['mysqlchk-agent-direct-return.service', 'mysqlchk-agent-direct-return@.service'].map((name) =>
    packaged(`agent/${name}`).split('\n'),
  )
  t.equal(one?.length, each?.length)
  const differing = (each ?? []).filter((line, i) => line !== one?.[i])
  t.ok(differing.length > 0 && differing.every((line) => line.includes('%i')), differing.join('\n'))
  // Both write into the directory that agent.yaml says where it says nothing.
  const { direct_return_directory: directory } = agentSchema.parse({})
  t.ok(one?.includes(`RuntimeDirectory=${directory.replace('/run/', '')}`))
  t.ok(one?.includes('RuntimeDirectoryPreserve=yes'), 'what is in place outlives the service')
})
