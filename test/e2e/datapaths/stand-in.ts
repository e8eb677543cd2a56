// Servers of the behaviours: each has an address and a port of its own on one host, says who it is, echoes, and can die or be cut off.
// Beside them an agent tells of each what a test wants told.

import { createServer as createHttpServer } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Host } from '../../lab/host.ts'
import { openHostSockets } from '../../lab/host-sockets.ts'

/** Ports that servers have in common. */
export const standInPorts = { agent: 9222, line: 9223 } as const

/** An address and port of the balancer for which a host with a server on `serverPort` is prepared. */
export type PreparedFor = { readonly address: string; readonly port: number; readonly serverPort: number }

/** What the agent says of a server. `line` is that of HAProxy's `agent-check`. */
export type Word = {
  readonly passes: boolean
  /** Why it fails, one of the agent's reasons. */
  readonly reason: string
  readonly role: 'primary' | 'replica' | 'unknown'
  readonly line: string
  /** Of answers that pass no balancer: bytes, and connections of the whole server; null where it does not know. */
  readonly bytesOut: number | null
  readonly connections: number | null
}

/** A server. */
export type StandIn = {
  readonly name: string
  readonly address: string
  readonly port: number
  /** As when its process is killed: sessions are reset, and who connects is refused. */
  readonly die: () => void
  readonly start: () => Promise<void>
  /** How many it has, as it sees them. */
  readonly sessions: () => number
  readonly says: (word: Partial<Word>) => void
  /** As when its host has no power: not a packet goes there or comes from there. */
  readonly cutOff: (isCut: boolean) => Promise<void>
  /** Who connects gets no answer; sessions and the agent go on. */
  readonly mute: (isMute: boolean) => Promise<void>
}

/** A server that is to be; `preparedFor` is what its agent says of direct server return. */
export type StandInPlace = Pick<StandIn, 'name' | 'address' | 'port'> & { readonly preparedFor: readonly PreparedFor[] }

/** A host that has many of them. */
export type StandInHost = { readonly add: (place: StandInPlace) => Promise<StandIn> }

const drops = `table inet stand-in {
  set cut4 { type ipv4_addr; }
  set cut-ports { type inet_service; }
  set mute-ports { type inet_service; }
  chain in { type filter hook input priority 0;
    ip daddr @cut4 drop; tcp dport @cut-ports drop; tcp dport @mute-ports tcp flags & (syn | ack) == syn drop; }
  chain out { type filter hook output priority 0; ip saddr @cut4 drop; tcp sport @cut-ports drop; }
}`

const good: Word = {
  passes: true,
  reason: 'ok',
  role: 'unknown',
  line: 'up ready 100%',
  bytesOut: null,
  connections: null,
}

const reportOf = (name: string, word: Word, preparedFor: readonly PreparedFor[]): string => {
  const { passes, reason, role, bytesOut, connections } = word
  return JSON.stringify({
    version: 1,
    verdict: passes ? 'pass' : 'fail',
    reason: { code: passes ? 'ok' : reason, text: reason },
    certainty: 'hard',
    mode: 'ping',
    role,
    writable: null,
    age_ms: 0,
    probe_ms: 1,
    direct_return: preparedFor.map(({ address, port }) => ({
      ...{ address, port },
      ready: true,
      missing: [],
      bytes_out: bytesOut,
      connections,
    })),
    facts: {},
    agent: { host: name, version: '0.1.0', uptime_s: 1 },
  })
}

const greet = (name: string, socket: Socket): void => {
  socket.write(`${name}\n`)
  socket.on('data', (chunk) => {
    if (!socket.write(chunk)) {
      socket.pause()
      socket.once('drain', () => socket.resume())
    }
  })
  socket.on('end', () => socket.end('bye'))
}

/** Makes it ready for servers. */
export const openStandInHost = async (host: Host): Promise<StandInHost> => {
  const sockets = openHostSockets(host)
  const words = new Map<string, { readonly place: StandInPlace; word: Word }>()
  const toldAt = (socket: Socket) => words.get(socket.localAddress?.replace('::ffff:', '') ?? '')
  const run = async (command: string, args: readonly string[], input?: string): Promise<void> => {
    const { code, stderr } = await host.run(command, args, input === undefined ? {} : { input })
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  }
  await run('nft', ['-f', '-'], drops)

  const agent = createHttpServer((request, response) => {
    const told = toldAt(request.socket)
    const word = told?.word ?? good
    response.writeHead(word.passes ? 200 : 503, { 'content-type': 'application/json' })
    response.end(reportOf(told?.place.name ?? '', word, told?.place.preparedFor ?? []))
  })
  const agentDoor = await sockets.listen({ address: '::', port: standInPorts.agent })
  agentDoor.on('connection', (socket) => agent.emit('connection', socket))
  const lineDoor = await sockets.listen({ address: '::', port: standInPorts.line })
  lineDoor.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.end(`${toldAt(socket)?.word.line ?? ''}\n`)
  })

  return {
    add: async (place) => {
      const { name, address, port } = place
      const told = { place, word: good }
      words.set(address, told)
      const isIpv6 = address.includes(':')
      await run('ip', [
        'address',
        'add',
        isIpv6 ? `${address}/64` : `${address}/15`,
        'dev',
        'eth0',
        ...(isIpv6 ? ['nodad'] : []),
      ])
      const open = new Set<Socket>()
      let server: Server | undefined
      const element = (set: string, isIn: boolean, value: string): Promise<void> =>
        run('nft', [isIn ? 'add' : 'delete', 'element', 'inet', 'stand-in', set, `{ ${value} }`])
      const start = async (): Promise<void> => {
        server = await sockets.listen({ address: '::', port })
        server.on('connection', (socket) => {
          open.add(socket)
          socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy())
          greet(name, socket)
        })
      }
      await start()
      return {
        name,
        address,
        port,
        start,
        sessions: () => open.size,
        die: () => {
          server?.close()
          for (const socket of open) socket.resetAndDestroy()
        },
        says: (word) => {
          told.word = { ...told.word, ...word }
        },
        cutOff: async (isCut) => {
          await element('cut-ports', isCut, `${port}`)
          await element('cut4', isCut, address)
        },
        mute: (isMute) => element('mute-ports', isMute, `${port}`),
      }
    },
  }
}
