// The real processes: a forwarder that no listener needs does not run, and a reload brings it.

import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { z } from 'zod'
import { loadConfig } from '../../../balancer/config/load.ts'
import { startSupervisor } from '../../../balancer/supervisor/supervisor.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { freePort } from '../datapath/loopback.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-forwarders-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'balancer.yaml')
const port = await freePort()

const write = (level: string): void =>
  writeFileSync(
    file,
    `
router_id: lb1
listeners: [{ name: m, bind: "127.0.0.1:${port}", servers: [{ name: a, address: "127.0.0.1:1" }] }]
admin: { socket: ${join(directory, 'admin.sock')} }
log: { level: ${level} }
`,
  )

const logLine = z.object({ msg: z.string(), child: z.string().optional(), childPid: z.number().optional() })
const lines: z.output<typeof logLine>[] = []
let onLine = (_: z.output<typeof logLine>): void => {}
const log = pino(
  { level: 'info' },
  {
    write: (text: string) => {
      const line = logLine.parse(JSON.parse(text))
      lines.push(line)
      onLine(line)
    },
  },
)

/** The processes of the proxy that were started until now, oldest first. */
const proxies = (): readonly number[] =>
  lines.flatMap(({ msg, childPid }) => (msg === 'Process proxy started' && childPid !== undefined ? [childPid] : []))
const isThere = (pid: number | undefined): boolean => {
  try {
    return pid !== undefined && process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A balancer that runs without any listener; the file has one. */
const start = async () => {
  write('fatal')
  const loaded = loadConfig(file)
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  const running = { ...loaded.config, listeners: [] }
  const farewellReady = Promise.resolve(async () => {})
  const supervisor = startSupervisor({
    ...{ file, running, log, farewellReady },
    text: loaded.text,
    configureLog: () => {},
    joinAs: 'founder',
  })
  await waitFor('it to run', () => lines.some(({ msg }) => msg === 'Balancer is running'))
  return supervisor
}

t.test('a forwarder runs from the reload on that needs it, and not after one that fails', async (t) => {
  const supervisor = await start()
  t.same(proxies(), [], 'no listener needs it')

  const holder = createServer().listen(port, '127.0.0.1')
  await once(holder, 'listening')
  t.match(await supervisor.reload(), { ok: false, lines: [/the port is in use/, /stays as it was/] })
  t.equal(proxies().length, 1, 'it was started')
  t.notOk(isThere(proxies()[0]), 'and ended')
  holder.close()
  await once(holder, 'close')

  onLine = ({ msg, childPid }) => {
    if (msg === 'Process proxy started' && childPid !== undefined) process.kill(childPid, 'SIGKILL')
  }
  const died = { ok: false, lines: [/^the process proxy could not be started: it died \(signal SIGKILL\)/, /stays/] }
  t.match(await supervisor.reload(), died)
  t.equal(proxies().length, 2, 'it is not tried again')
  onLine = () => {}

  t.same(await supervisor.reload(), { ok: true, lines: ['listener m added'] })
  t.ok(isThere(proxies()[2]))
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  client.destroy()

  write('error')
  t.match(await supervisor.reload(), { ok: true })
  process.kill(proxies()[2] ?? 0, 'SIGKILL')
  await waitFor('it to be started again', () => isThere(proxies()[3]))
  t.equal(proxies().length, 4)

  supervisor.stop('the test is over')
  t.equal(await supervisor.ended, 0)
  t.notOk(isThere(proxies()[3]), 'it is stopped with the others')
})
