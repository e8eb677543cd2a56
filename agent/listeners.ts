// The agent's listening ports, and how they go over to another configuration: all of them, or none.

import type { AgentConfig } from './config/load.ts'
import type { TlsMaterial } from './config/tls-files.ts'
import { codeOf } from './core/error-text.ts'
import type { IncidentLog } from './log.ts'
import { type Move, openSlot, type Waiting } from './port-slot.ts'
import { startAgentCheck } from './server/agent-check.ts'
import type { Asked } from './server/core/request.ts'
import type { AnswerSources } from './server/core/response.ts'
import { type ListenAddress, listenFailure } from './server/listening.ts'
import { startServer } from './server/server.ts'
import type { News } from './server/watchers.ts'

/** What all listeners answer with. */
export type ListenerSources = {
  readonly sources: AnswerSources
  readonly incident: IncidentLog
  readonly onAnswered: (asked: Asked, status: number) => void
  readonly news?: News
  /** A line of agent-check went out. */
  readonly onLine: (line: string) => void
  /**
   * Where it is given, a port that another program has at the start is waited for. Hears why there is no listener yet, each
   * time that this changes: one line for each port.
   */
  readonly onWaiting?: (why: readonly string[]) => void
}

/** The open ports. */
export type Listeners = {
  /** Goes over to another configuration; rejects where a port is not to be had, and then everything is as before. */
  readonly apply: (config: AgentConfig) => Promise<void>
  /** The port of HTTP, also where the system chose it. */
  readonly port: () => number
  readonly stop: () => Promise<void>
}

/** Opens all ports; rejects with one line for the operator where one is not to be had. */
export const openListeners = async (initial: AgentConfig, common: ListenerSources): Promise<Listeners> => {
  const waits = waitsFor(common.onWaiting)
  const http = await openSlot(
    initial,
    {
      open: ({ listen, access, response }: AgentConfig) =>
        startServer({ ...common, listen, access, ...answering(response) }),
      isSame: (one, other) =>
        isSameAddress(one.listen, other.listen) && handshake(one.listen.tls) === handshake(other.listen.tls),
      portOf: ({ listen }) => listen.port,
      explain: (error, { listen }) => explained(error, listen, 'listen'),
    },
    waits('http'),
  )
  const agentCheck = await openSlot(
    initial,
    {
      open: async ({ agent_check: listen, access }: AgentConfig) => {
        if (listen === null) return null
        const { sources, incident, onLine: onAnswered } = common
        const settings = { listen, access, style: listen, report: () => sources.report(), incident, onAnswered }
        return startAgentCheck(settings)
      },
      isSame: (one, other) => isSameAddress(one.agent_check, other.agent_check),
      portOf: ({ agent_check }) => agent_check?.port,
      explain: (error, { agent_check: listen }) => explained(error, listen, 'agent_check'),
    },
    waits('agent-check'),
  ).catch(async (error) => {
    await http.stop()
    throw error
  })

  let config = initial
  return {
    apply: async (next) => {
      const moves: Move[] = []
      try {
        for (const { prepare } of [http, agentCheck]) moves.push(await prepare(config, next))
      } catch (error) {
        for (const { undo } of moves) await undo()
        throw error
      }
      for (const { commit } of moves) commit()
      config = next
      const { access, response, agent_check: style, listen } = next
      http.server()?.apply({ access, ...answering(response) })
      if (listen.tls !== null) http.server()?.renewCertificates(listen.tls)
      if (style !== null) agentCheck.server()?.apply({ access, style })
    },
    port: () => http.server()?.port() ?? config.listen.port,
    stop: async () => {
      await Promise.all([http.stop(), agentCheck.stop()])
    },
  }
}

/** What an open listener cannot change any more: whether it speaks TLS, and whether it asks clients for a certificate. */
const handshake = (tls: TlsMaterial | null): string => (tls === null ? 'none' : tls.requestCert ? 'both' : 'server')

const answering = ({ body, compatibility }: AgentConfig['response']) => ({ body, isTolerant: compatibility })

const isSameAddress = (one: ListenAddress | null, other: ListenAddress | null): boolean =>
  one?.address === other?.address && one?.port === other?.port

const explained = (error: unknown, listen: ListenAddress | null, key: string): Error =>
  new Error(listen === null ? String(error) : listenFailure(error, listen, key), { cause: error })

/** Another program has the port: an old one that an operator is about to stop. All else is a mistake. */
const isTaken = (error: unknown): boolean => codeOf(error) === 'EADDRINUSE'

const waitsFor = (onWaiting: ListenerSources['onWaiting']) => {
  const reasons = new Map<string, string>()
  return (name: string): Waiting | null => {
    if (onWaiting === undefined) return null
    const onChange = (why: Error | null): void => {
      if (why === null) reasons.delete(name)
      else reasons.set(name, why.message)
      onWaiting([...reasons.values()])
    }
    return { isWorthIt: isTaken, onChange }
  }
}
