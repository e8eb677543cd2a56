// A running program makes way for the one on disk: carries out what core/succession.ts decides.

import type { Logger } from 'pino'
import type { Millis } from '../core/time.ts'
import { monotonicNow } from '../os/clock.ts'
import { closeHandle, type ListeningHandle } from '../os/listening-handle.ts'
import { raiseScheduling, usualScheduling } from '../os/scheduling.ts'
import type { Fact } from '../pool/core/facts.ts'
import { version } from '../version.ts'
import { isMaster, type ProcessRole } from './core/processes.ts'
import {
  beginSuccession,
  mostAttempts,
  type Succession,
  type SuccessionEffect,
  type SuccessionEvent,
  stageLimit,
  stepSuccession,
} from './core/succession.ts'
import type { FromChild, ReloadResult, ToChild } from './messages.ts'
import {
  type Addressee,
  type SuccessionHeard,
  type SuccessionMessage,
  successionFormat,
} from './succession-messages.ts'

/** The replacement of this program. */
export type Reexec = {
  /** Begins it; the answer says what came of it. */
  readonly begin: () => Promise<ReloadResult>
  readonly isUnderWay: () => boolean
  /** A process here said something that is part of it. */
  readonly heard: (role: ProcessRole, message: FromChild, handle: ListeningHandle) => void
  /** The other program, or the root, said something. */
  readonly told: (message: SuccessionHeard) => void
  /** It cannot go on, for this reason. */
  readonly fail: (reason: string) => void
}

export type ReexecOptions = {
  readonly file: string
  /** The text of the configuration that runs: an edit that nobody has applied is none of an upgrade's business. */
  readonly text: () => string
  readonly log: Logger
  readonly facts: () => readonly Fact[]
  /** The processes that run here. */
  readonly roles: () => readonly ProcessRole[]
  readonly send: (role: ProcessRole, message: ToChild) => void
  readonly post: (to: Addressee, message: SuccessionMessage, handle?: ListeningHandle) => void
  /** The other program has everything: the processes here retire. Tells what is left here. */
  readonly retire: () => string
}

type UnderWay = {
  state: Succession
  timer: NodeJS.Timeout | undefined
  /** Of the other program, and its processes. */
  pids: readonly number[]
  version: string
  readonly attempt: number
  /** When nobody here advertises any more. */
  asideAt: Millis | null
  readonly answer: (result: ReloadResult) => void
}

/** No replacement yet. */
export const createReexec = ({ file, text, log, facts, roles, send, post, retire }: ReexecOptions): Reexec => {
  let underWay: UnderWay | null = null

  const routers = () => facts().flatMap((fact) => (fact.fact === 'virtual-router' ? [fact] : []))
  const happened = (event: SuccessionEvent): void => {
    if (underWay !== null) follow(underWay, stepSuccession(underWay.state, event))
  }
  const follow = (one: UnderWay, [state, effects]: ReturnType<typeof stepSuccession>): void => {
    const isNewStage = one.timer === undefined || state.stage !== one.state.stage
    one.state = state
    if (isNewStage) {
      clearTimeout(one.timer)
      const limit = stageLimit(
        state,
        routers()
          .filter(isMaster)
          .map(({ advertisementInterval }) => advertisementInterval),
      )
      if (limit !== null) one.timer = setTimeout(() => happened({ event: 'late' }), limit)
    }
    if (state.stage === 'over') underWay = null
    for (const effect of effects) execute(one, effect)
  }
  const execute = (one: UnderWay, effect: SuccessionEffect): void => {
    switch (effect.effect) {
      case 'start-candidate':
        log.info({ file: process.argv[1] }, 'Starting the program on disk, to take over')
        post('root', { type: 'start-candidate' })
        post('candidate', { type: 'succeed', format: successionFormat, version, file, text: text() })
        return
      case 'collect-handles':
        for (const role of one.state.owing) send(role, { type: 'hand-over' })
        return
      case 'begin-candidate':
        post('candidate', { type: 'begin', facts: [...facts()] })
        return
      case 'step-aside':
        // Messages between the two vrrp processes pass through here, and nobody advertises meanwhile.
        raiseScheduling()
        send('vrrp', { type: 'step-aside' })
        return
      case 'lead-candidate':
        one.asideAt = monotonicNow()
        post('candidate', { type: 'lead', facts: routers(), at: one.asideAt })
        return
      case 'end-candidate':
        post('root', { type: 'end-candidate', pids: [...one.pids] })
        return
      case 'go-on':
        usualScheduling()
        for (const role of roles()) send(role, { type: 'go-on' })
        return
      case 'retire': {
        const leadsAt = monotonicNow()
        post('root', { type: 'commit' })
        post('active', { type: 'confirmed' })
        usualScheduling()
        const left = retire()
        const pause = one.asideAt === null ? null : Math.round(leadsAt - one.asideAt)
        log.info({ successor: one.version, pause }, `Version ${one.version} has taken over from ${version}. ${left}`)
        one.answer({ ok: true, lines: [`Version ${one.version} runs in place of ${version}.`, left] })
        return
      }
      case 'refuse':
        for (const line of effect.lines) log.error({ reexec: true }, line)
        if (effect.isLate && one.attempt < mostAttempts) start(one.answer, one.attempt + 1)
        else one.answer({ ok: false, lines: effect.lines })
        return
      default:
        effect satisfies never
    }
  }

  const start = (answer: UnderWay['answer'], attempt: number): void => {
    const step = beginSuccession(roles())
    underWay = { state: step[0], timer: undefined, pids: [], version: 'unknown', attempt, asideAt: null, answer }
    follow(underWay, step)
  }

  return {
    begin: () => new Promise((answer) => start(answer, 1)),
    isUnderWay: () => underWay !== null,
    heard: (role, message, handle) => {
      if (message.type === 'stepped-aside') happened({ event: 'stepped-aside' })
      if (message.type === 'handed-over') happened({ event: 'handed-over', role })
      if (message.type !== 'handle') return
      if (underWay !== null) post('candidate', { type: 'handle', of: role, name: message.name }, handle)
      else closeHandle(handle)
    },
    told: (message) => {
      switch (message.type) {
        case 'loaded':
          if (underWay !== null) underWay.pids = message.pids
          if (underWay !== null) underWay.version = message.version
          happened({ event: 'candidate-loaded' })
          return
        case 'prepared':
          happened({ event: 'candidate-prepared' })
          return
        case 'leads':
          happened({ event: 'candidate-leads' })
          return
        case 'refused':
          happened({ event: 'failed', lines: ['the program on disk does not take over:', ...message.lines] })
          return
        case 'candidate-ended':
          happened({ event: 'failed', lines: [`the program on disk ended before it took over (${message.reason})`] })
          return
        default:
      }
    },
    fail: (reason) => happened({ event: 'failed', lines: [reason] }),
  }
}
