import { readFileSync } from 'node:fs'
import t from 'tap'
import { commands, help, parseArguments } from '../../../agent/commands/arguments.ts'
import { versionText } from '../../../agent/commands/version.ts'
import { version } from '../../../agent/version.ts'

const defaults = { config: '/etc/mysqlchk-agent/agent.yaml', path: '/', json: false, reason: '', lasts: null }

t.test('without a command the daemon runs', async (t) => {
  t.same(parseArguments([]), { command: 'run', ...defaults })
  t.same(parseArguments(['--config', '/x']), { command: 'run', ...defaults, config: '/x' })
})

t.test('options belong to their command', async (t) => {
  t.same(parseArguments(['once', '--json', '--path=/status']), {
    command: 'once',
    ...defaults,
    json: true,
    path: '/status',
  })
  t.match(parseArguments(['check', '--json']), { command: 'usage-error', text: /belong to the command once/ })
  t.same(parseArguments(['fail', 'disk', 'is', 'replaced']), {
    command: 'fail',
    ...defaults,
    reason: 'disk is replaced',
  })
  t.match(parseArguments(['fail', '--for', '30m', 'upgrade']), { reason: 'upgrade', lasts: 1_800_000 })
  for (const wrong of ['30', '0s', 'soon', '366d']) {
    t.match(parseArguments(['fail', '--for', wrong]), { command: 'usage-error', text: /write a duration with a unit/ })
  }
  t.match(parseArguments(['pass', '--for', '1m']), { command: 'usage-error', text: /belongs to the command fail/ })
  t.match(parseArguments(['pass', 'now']), { command: 'usage-error', text: /takes no further words, found now/ })
})

t.test('a fail may outlive a reboot, a check may log in', async (t) => {
  t.match(parseArguments(['fail', '--lasting', 'disk']), { command: 'fail', reason: 'disk', reboot: true })
  t.match(parseArguments(['check', '--login']), { command: 'check', login: true })
  t.match(parseArguments(['pass', '--lasting']), { command: 'usage-error', text: /belongs to the command fail/ })
  t.match(parseArguments(['run', '--login']), { command: 'usage-error', text: /belongs to the command check/ })
})

t.test('direct-return takes one action, and the options of that', async (t) => {
  const plain = { command: 'direct-return', config: defaults.config, watch: false, json: false }
  t.same(parseArguments(['direct-return', 'up']), { ...plain, action: 'up' })
  t.same(parseArguments(['direct-return', 'up', '--watch', '-c', '/x']), {
    ...plain,
    action: 'up',
    watch: true,
    config: '/x',
  })
  t.same(parseArguments(['direct-return', 'status', '--json']), { ...plain, action: 'status', json: true })
  const wrong = (words: readonly string[], text: RegExp) =>
    t.match(parseArguments(words), { command: 'usage-error', text })
  wrong(['direct-return'], /takes one of up, down, status, found nothing/)
  wrong(['direct-return', 'on'], /takes one of up, down, status, found on/)
  wrong(['direct-return', 'down', '--watch'], /--watch does not belong to direct-return down/)
  wrong(['direct-return', 'up', '--json'], /--json does not belong to direct-return up/)
  wrong(['direct-return', 'up', '--path', '/'], /--path does not belong/)
  wrong(['direct-return', 'up', 'now'], /takes no further words, found now/)
  wrong(['run', '--watch'], /--watch belongs to direct-return up/)
})

t.test('compare takes a script, what it is called with, and perhaps a file of requests', async (t) => {
  t.same(parseArguments(['compare', '--script', '/usr/bin/clustercheck', '--config', '/x', '--', 'user', '-p']), {
    command: 'compare',
    config: '/x',
    script: { file: '/usr/bin/clustercheck', args: ['user', '-p'] },
    requests: null,
  })
  t.match(parseArguments(['compare', '--script', '/x', '--requests', '/y']), { requests: '/y' })
  t.match(parseArguments(['compare']), { command: 'usage-error', text: /compare needs --script FILE/ })
  t.match(parseArguments(['once', '--script', '/x']), { command: 'usage-error', text: /belong to the command compare/ })
})

t.test('setup-user takes where to log in, a password that is there, and addresses of other nodes', async (t) => {
  const nothing = { socket: null, user: null, optionFile: null, passwordFrom: null, hosts: [] }
  const plain = { command: 'setup-user', config: defaults.config, apply: false, setPassword: false, ...nothing }
  t.same(parseArguments(['setup-user']), plain)
  const words = ['--apply', '--set-password', '--socket', '/s', '--user', 'u', '--option-file', '/o']
  t.same(parseArguments(['setup-user', ...words, '--password-from', '-', '--hosts', '10.0.0.1, fd00::1']), {
    ...plain,
    apply: true,
    setPassword: true,
    socket: '/s',
    user: 'u',
    optionFile: '/o',
    passwordFrom: '-',
    hosts: ['10.0.0.1', 'fd00::1'],
  })
  t.match(parseArguments(['setup-user', '--hosts', 'db2']), { command: 'usage-error', text: /"db2" is no address/ })
  t.match(parseArguments(['setup-user', 'now']), { command: 'usage-error', text: /takes no further words/ })
  t.match(parseArguments(['check', '--apply']), {
    command: 'usage-error',
    text: /--apply belongs to the command setup-user/,
  })
})

t.test('a wrong word is answered with the nearest right one', async (t) => {
  t.match(parseArguments(['chek']), { command: 'usage-error', text: /unknown command chek; did you mean check\?/ })
  t.match(parseArguments(['--confg', 'x']), {
    command: 'usage-error',
    text: /unknown option --confg; did you mean --config\?/,
  })
  t.match(parseArguments(['run', '--config']), { command: 'usage-error', text: /--config needs a value/ })
})

t.test('help names every command and the version is the package one', async (t) => {
  t.equal(parseArguments(['once', '--help']).command, 'help')
  for (const command of commands) t.match(help, new RegExp(`mysqlchk-agent \\[?${command}`))
  t.match(readFileSync('package.json', 'utf8'), `"version": "${version}"`)
})

t.test('--version says name and version on its first line, and below it what a report of a fault needs', async (t) => {
  const [first, ...more] = versionText().trimEnd().split('\n')
  t.equal(first, `mysqlchk-agent ${version}`)
  t.match(more, ['built from  a checkout', `Node        ${process.versions.node} for linux `, 'kernel      Linux '])
})
