// One answer for a connection that the HTTP parser has not got, and then its end without a reset.

import type { Socket } from 'node:net'
import type { IncidentLog } from '../log.ts'
import { type Admission, sourceOf } from './admission.ts'
import type { Answer } from './core/response.ts'
import { rawAnswer } from './malformed.ts'
import type { Pace } from './pace.ts'

/** Whom it holds up and lets in like everybody else. */
export type SingleAnswerSettings = {
  readonly admission: Admission
  readonly pace: Pace
  readonly incident: IncidentLog
}

/** Answers connections, each once. */
export type SingleAnswers = {
  readonly answer: (socket: Socket, making: () => Promise<Answer>) => void
  /** Ends those that are not gone after the grace, in milliseconds. */
  readonly stop: (graceMillis: number) => void
}

/** For a client that has its answer and does not go, or goes on sending. */
const patience = { millis: 5000, bytes: 65_536 } as const

/** Answers nobody yet. */
export const createSingleAnswers = ({ admission, pace, incident }: SingleAnswerSettings): SingleAnswers => {
  const open = new Set<Socket>()
  const answer = (socket: Socket, making: () => Promise<Answer>): void => {
    const source = sourceOf(socket.remoteAddress)
    const place = admission.placeOf(socket)
    let timer: NodeJS.Timeout | undefined
    open.add(socket)
    place.busy()
    socket.on('error', () => undefined)
    socket.once('close', () => {
      clearTimeout(timer)
      open.delete(socket)
    })
    // What it sends now is read, so that the close resets nobody.
    let bytes = 0
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > patience.bytes) socket.destroy()
    })
    const reply = async (): Promise<void> => {
      const made = await making()
      if (socket.destroyed) return
      place.idle()
      socket.end(rawAnswer(made))
      timer = setTimeout(() => socket.destroy(), patience.millis)
    }
    const delay = pace.delay(source)
    if (delay === 0) return void reply()
    incident('delayed', { source })
    timer = setTimeout(reply, delay)
    timer.unref()
  }
  return {
    answer,
    stop: (graceMillis) => {
      setTimeout(() => {
        for (const socket of open) socket.destroy()
      }, graceMillis).unref()
    },
  }
}
