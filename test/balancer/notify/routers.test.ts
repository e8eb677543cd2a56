import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { tryNotifications } from '../../../balancer/commands/notify.ts'
import { listenerSchema } from '../../../balancer/config/listener-schema.ts'
import { notifySchema } from '../../../balancer/config/notify-schema.ts'
import { createQueue } from '../../../balancer/notify/queue.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { directory, linesOf, program, serve, start, vrrpOf } from './stage.ts'

t.setTimeout(600_000)

/** Writes down, in one line, a word, the arguments, and what the environment told the program when it was started. */
const teller = (word: string, out: string): string =>
  `echo "${word} [$*] $(tr '\\0' '\\n' < /proc/$$/environ | grep ^BALANCER_ | sort | tr '\\n' '|')" >> ${out}`

t.test('scripts learn what keepalived tells and more, in order, the one of the state first', async (t) => {
  const out = join(directory, 'told')
  const states = ['master', 'backup', 'fault', 'stop'] as const
  // The one of the state is slow: whoever does not wait for it is earlier.
  const own = Object.fromEntries(
    states.map((state) => [state, [program(`told-${state}`, `sleep 0.2; ${teller(state, out)}`), 'own', 'words']]),
  )
  const any = [program('told-any', teller('any', out)), 'own']
  const { notifications } = start(vrrpOf({ ...own, any }))
  notifications.entered('V', 'backup', 100, 'started')
  notifications.entered('V', 'master', 101, 'no advertisement heard')
  notifications.entered('V', 'master', 101, 'said again')
  notifications.entered('V', 'fault', 101, 'script "chk" failed\0')
  await waitFor('all to be told', () => linesOf(out).length === 6)
  notifications.entered('V', 'stop', 90, 'shutdown requested')
  await notifications.stop()
  const told = (state: string, previous: string, priority: number, reason: string): readonly string[] => {
    const environment = [
      'BALANCER_NAME=V',
      `BALANCER_PREVIOUS_STATE=${previous}`,
      `BALANCER_PRIORITY=${priority}`,
      `BALANCER_REASON=${reason}`,
      'BALANCER_ROUTER_ID=lb1',
      `BALANCER_STATE=${state.toUpperCase()}`,
      'BALANCER_TYPE=INSTANCE',
    ]
    const shown = `${environment.join('|')}|`
    return [`${state} [own words] ${shown}`, `any [own INSTANCE V ${state.toUpperCase()} ${priority}] ${shown}`]
  }
  t.same(linesOf(out), [
    ...told('backup', '', 100, 'started'),
    ...told('master', 'BACKUP', 101, 'no advertisement heard'),
    ...told('fault', 'MASTER', 101, 'script "chk" failed'),
    ...told('stop', 'FAULT', 90, 'shutdown requested'),
  ])
})

t.test('scripts of one instance never run at once, also across a reload; another instance does not wait', async (t) => {
  const out = join(directory, 'serial')
  const gate = join(directory, 'gate')
  const lock = join(directory, 'serial-lock')
  const slowly = `if test $BALANCER_NAME = V; then mkdir ${lock} || echo overlap >> ${out}
    while ! test -e ${gate}; do sleep 0.05; done; sleep 0.1; rmdir ${lock}; fi`
  const tell = `echo "$0 $BALANCER_NAME $BALANCER_STATE" | sed 's|^.*/serial-||' >> ${out}`
  const notify = { timeout: '1m' }
  const [own, any, after] = ['own', 'any', 'after'].map((name) => program(`serial-${name}`, `${slowly}; ${tell}`))
  const { notifications } = start(vrrpOf({ ...notify, backup: own, master: own, any }))
  notifications.entered('V', 'backup', 100, '')
  notifications.entered('V', 'master', 100, '')
  await waitFor('the first to run', () => existsSync(lock))
  notifications.reconfigure(vrrpOf({ ...notify, backup: after, any: after }))
  notifications.entered('V', 'backup', 100, '')
  notifications.entered('W', 'backup', 100, '')
  await waitFor('the other instance to be told', () => linesOf(out).length === 2)
  t.same(linesOf(out), ['after W BACKUP', 'after W BACKUP'])
  writeFileSync(gate, '')
  await waitFor('all to be told', () => linesOf(out).length === 8)
  const [, , ...told] = linesOf(out)
  t.same(told, ['own V BACKUP', 'any V BACKUP', 'own V MASTER', 'any V MASTER', 'after V BACKUP', 'after V BACKUP'])
  await notifications.stop()
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
  const { notifications, messages } = start(vrrpOf({ master: hang, any, timeout: '4s' }))
  notifications.entered('V', 'master', 100, '')
  t.notOk(existsSync(child), 'nothing is started within the call')
  notifications.entered('V', 'backup', 100, '')
  notifications.entered('W', 'backup', 100, '')
  notifications.entered('W', 'fault', 100, '')
  await waitFor('all to be told', () => linesOf(out).length === 3)
  t.same(linesOf(out), ['W BACKUP', 'V MASTER', 'V BACKUP'])
  t.ok(messages().includes(`(V) notify script ${hang} failed (timed out after 4000 ms)`))
  t.ok(messages().includes(`(W) notify script ${any} failed (exited with status 3)`))
  const id = Number(readFileSync(child, 'utf8'))
  const state = () => (existsSync(`/proc/${id}`) ? readFileSync(`/proc/${id}/stat`, 'utf8') : ') Z ')
  await waitFor('its child to be gone', () => /\) Z /.test(state()))
  await notifications.stop()
})

t.test('a script runs as its own user, else as that of all scripts, else as the balancer', async (t) => {
  const out = join(directory, 'whoami')
  const who = program('who', `echo "$(id -u) $(id -G) $HOME $USER $LOGNAME" >> ${out}`)
  writeFileSync(out, '', { mode: 0o666 })
  chmodSync(out, 0o666)
  const own = { any: who, user: 'nobody' }
  const runs = [
    vrrpOf(own, { script_user: 'daemon' }),
    vrrpOf({ any: who }, { script_user: 'daemon' }),
    vrrpOf({ any: who }),
  ]
  for (const vrrp of runs) {
    const { notifications } = start(vrrp)
    notifications.entered('V', 'master', 100, '')
    await notifications.stop()
  }
  const { uid } = userInfo()
  t.same(linesOf(out).slice(0, 2), ['65534 65534 /nonexistent nobody nobody', '1 1 /usr/sbin daemon daemon'])
  t.match(linesOf(out)[2], new RegExp(`^${uid} `))
})

t.test('a flood of output holds nothing', async (t) => {
  const flood = program('flood', 'head -c 300000 /dev/zero | tr "\\\\0" x; echo; echo last; exit 1')
  const { notifications, messages } = start(vrrpOf({ any: flood }))
  notifications.entered('V', 'master', 100, '')
  await waitFor('it to end', () => messages().length === 1)
  t.match(messages(), [/failed \(exited with status 1\)/])
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

t.test('of thousands of changes that nobody has time for the newest are told, in order', async (t) => {
  const out = join(directory, 'thousands')
  const gate = join(directory, 'thousands-gate')
  const any = program('thousands-any', `while ! test -e ${gate}; do sleep 0.05; done; echo "$4" >> ${out}`)
  const { notifications, messages } = start(vrrpOf({ any, timeout: '1m' }))
  for (let i = 1; i <= 5000; i += 1) notifications.entered('V', i % 2 === 0 ? 'master' : 'backup', i, '')
  t.match(messages().at(-1), /notify scripts are too slow: left out /)
  t.equal(messages().length, 5, 'and the rest is counted')
  writeFileSync(gate, '')
  await waitFor('the rest', () => linesOf(out).at(-1) === '5000')
  t.same(
    linesOf(out),
    Array.from({ length: 16 }, (_, i) => `${4985 + i}`),
  )
  await notifications.stop()
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
  const servers = notifySchema.parse({ server: good, writer: [bad, 'own'], webhooks: [{ url }] })
  const listener = { name: 'mysql', bind: '198.18.0.2:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }
  const config = {
    router_id: 'lb1',
    vrrp: { ...vrrp, instances: vrrp.instances.slice(0, 1) },
    notify: servers,
    listeners: [listenerSchema.parse(listener)],
  }
  t.equal(await tryNotifications(config, (trial) => trials.push(trial)), false)
  t.match(trials, [
    { ok: false, text: `V master ${bad}: exited with status 7, said: something is wrong` },
    { ok: true, text: `V any ${good}: exited with status 0` },
    { ok: true, text: `vrrp.webhooks[0] ${url}: answered 204` },
    { ok: true, text: `server ${good}: exited with status 0` },
    { ok: false, text: `writer ${bad}: exited with status 7, said: something is wrong` },
    { ok: true, text: `notify.webhooks[0] ${url}: answered 204` },
  ])
  t.same(linesOf(out), ['BACKUP 1 INSTANCE V BACKUP 100', 'UP 1 SERVER mysql/db1 UP '])
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
