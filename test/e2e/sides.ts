// Debian's HAProxy and our balancer side by side, each with one listener per scenario, seen in the same way.

import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { LabProcess } from '../lab/lab-process.ts'
import { balancerProgram as program } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

/** A load balancer under test. */
export type Side = {
  readonly name: 'HAProxy' | 'ours'
  readonly port: (scenario: string) => number
  /** The state word of each server, without its counter: `UP 1/2` is `UP`. */
  readonly states: (scenario: string) => Promise<Readonly<Record<string, string>>>
  readonly order: (scenario: string, server: string, state: 'ready' | 'drain' | 'maint') => Promise<void>
  readonly weigh: (scenario: string, server: string, weight: number) => Promise<void>
  /** The runtime socket, and what it answers to one line, or to several at once: all of it. */
  readonly socket: string
  readonly exchange: (line: string) => Promise<string>
}

/** Where a load balancer runs: on a host of a lab, or on loopback. */
export type Place = {
  readonly directory: string
  readonly spawn: (program: string, command: string, args: readonly string[]) => LabProcess
}

/** What a runtime socket answers to one command, without the empty line at its end. */
export const ask = async (path: string, line: string): Promise<string> =>
  (await exchange(path, line)).replace(/\n\n$/, '\n')

/** Speaks one line over a UNIX socket, or several at once, and takes the whole answer. */
const exchange = (path: string, line: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`${line}\n`))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.once('error', reject)
    socket.once('end', () => resolve(answer))
  })

const word = (status: string): string => status.replace(/ .*/, '')

/** Starts HAProxy with these sections; `ports` are those of its scenarios. */
export const startHaproxy = async (
  { directory, spawn }: Place,
  sections: readonly string[],
  ports: ReadonlyMap<string, number>,
): Promise<Side> => {
  const socket = join(directory, 'haproxy.sock')
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  maxconn 500
  stats socket ${socket} mode 600 level admin
defaults
  mode tcp
  retries 1
  option redispatch
  timeout connect 1s
  timeout client 1m
  timeout server 1m
  timeout queue 10s
${sections.join('\n')}
`,
  )
  const haproxy = spawn('haproxy', 'haproxy', ['-db', '-f', file])
  await waitFor('HAProxy to answer', async () => {
    if (!haproxy.isRunning()) return true
    return (await ask(socket, 'show info')).includes('Uptime')
  })
  if (!haproxy.isRunning()) throw new Error(`HAProxy ended:\n${haproxy.lines().join('\n')}`)
  return {
    name: 'HAProxy',
    socket,
    exchange: (line) => exchange(socket, line),
    port: (scenario) => portOf(ports, scenario),
    states: async (scenario) => {
      const rows = (await ask(socket, 'show stat')).split('\n').map((line) => line.split(','))
      const servers = rows.filter(([proxy, server]) => proxy === scenario && !/^(FRONT|BACK)END$/.test(server ?? ''))
      return Object.fromEntries(servers.map((row) => [row[1] ?? '', word(row[17] ?? '')]))
    },
    order: async (scenario, server, state) => {
      await ask(socket, `set server ${scenario}/${server} state ${state}`)
    },
    weigh: async (scenario, server, weight) => {
      await ask(socket, `set server ${scenario}/${server} weight ${weight}`)
    },
  }
}

const shown = z.array(
  z.object({
    name: z.string(),
    writer: z.string().nullable(),
    queued: z.number().nullable(),
    servers: z.array(
      z.object({
        name: z.string(),
        status: z.string(),
        role: z.string(),
        watched: z.boolean(),
        found: z.object({ by: z.string(), news_age_ms: z.number().nullable() }).nullable(),
        sessions: z.number().nullable(),
        last_check: z.object({ at: z.string(), status: z.string(), reason: z.string(), text: z.string() }).nullable(),
      }),
    ),
  }),
)

/** What `balancer show servers --json` tells of a listener. */
export type ShownListener = z.output<typeof shown>[number]

/** Our balancer, with what only it can do. */
export type OurSide = Side & {
  readonly show: (listener: string) => Promise<ShownListener>
  readonly ask: (line: string) => Promise<string>
  /** Writes another configuration and has it applied; the answer of the reload. */
  readonly reload: (listeners: readonly object[]) => Promise<string>
  readonly process: LabProcess
}

/** Starts our balancer with these listeners; `http` is its status page. */
export const startOurs = async (
  { directory, spawn }: Place,
  listeners: readonly object[],
  ports: ReadonlyMap<string, number>,
  http?: object,
): Promise<OurSide> => {
  const socket = join(directory, 'admin.sock')
  const file = join(directory, 'balancer.yaml')
  const write = (wanted: readonly object[]): void =>
    writeFileSync(file, JSON.stringify({ router_id: 'lb1', listeners: wanted, admin: { socket, http } }))
  write(listeners)
  const balancer = spawn('balancer', process.execPath, [program, '--config', file])
  await balancer.waitForOutput(/Balancer is running/)
  const show = async (listener: string): Promise<ShownListener> => {
    const all = shown.parse(JSON.parse(await ask(socket, 'show servers --json')))
    const found = all.find(({ name }) => name === listener)
    if (found === undefined) throw new Error(`no listener ${listener}`)
    return found
  }
  return {
    name: 'ours',
    socket,
    exchange: (line) => exchange(socket, line),
    show,
    ask: (line) => ask(socket, line),
    process: balancer,
    port: (scenario) => portOf(ports, scenario),
    states: async (scenario) => {
      const { servers } = await show(scenario)
      return Object.fromEntries(servers.map(({ name, status }) => [name, word(status)]))
    },
    order: async (scenario, server, state) => {
      await ask(socket, `server ${scenario}/${server} ${state}`)
    },
    weigh: async (scenario, server, weight) => {
      await ask(socket, `server ${scenario}/${server} weight ${weight}`)
    },
    reload: (wanted) => {
      write(wanted)
      return ask(socket, 'reload')
    },
  }
}

const portOf = (ports: ReadonlyMap<string, number>, scenario: string): number => {
  const port = ports.get(scenario)
  if (port === undefined) throw new Error(`no scenario ${scenario}`)
  return port
}

/** A client's session: the name its server greeted with, or `-` where there was none. */
export type TestSession = { readonly server: string; readonly isOpen: () => boolean; readonly close: () => void }

const greetingLimit = 10_000

/** Opens a session and waits for the greeting, or for its end. */
export const openSession = (port: number): Promise<TestSession> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let open = true
    const settle = (server: string): void => resolve({ server, isOpen: () => open, close: () => socket.destroy() })
    const over = (): void => {
      open = false
      settle('-')
    }
    socket.setTimeout(greetingLimit, () => socket.destroy())
    socket.once('data', (chunk) => {
      socket.setTimeout(0)
      settle(chunk.toString('latin1').trim().slice(0, 16))
    })
    socket.on('error', over)
    socket.on('close', over)
  })

/** How many of `count` sessions, one after the other, went to each server. */
export const spread = async (port: number, count: number): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {}
  for (let i = 0; i < count; i += 1) {
    const session = await openSession(port)
    session.close()
    counts[session.server] = (counts[session.server] ?? 0) + 1
  }
  return counts
}
