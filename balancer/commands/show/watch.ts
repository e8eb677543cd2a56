// `balancer show --watch`: the live view on a terminal. What is drawn is decided in admin/core/views/terminal; this takes the
// screen and gives it back, asks, and reads keys.

import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import {
  enterScreen,
  leaveScreen,
  type Palette,
  repaint,
  type Screen,
  styled,
} from '../../admin/core/views/terminal/ansi.ts'
import type { ViewName } from '../../admin/core/views/terminal/contents.ts'
import { frameOf } from '../../admin/core/views/terminal/frame.ts'
import { type Key, keysIn } from '../../admin/core/views/terminal/keys.ts'
import { beginning, isFreshIn, type Size, step, type WatchEvent } from '../../admin/core/views/terminal/watch.ts'
import { answerFrom } from './answer.ts'

type WatchOptions = {
  readonly file: string
  readonly view: ViewName
  /** Milliseconds from one look to the next. */
  readonly interval: number
  readonly palette: Palette
}

/** What ends the view from outside, beside keys: the terminal is given back first. */
const endings = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const
const signalExit = 128

/** Shows the view until somebody has seen enough: the process ends with it. */
export const watch = ({ file, view, interval, palette }: WatchOptions): Promise<never> =>
  new Promise(() => {
    const { stdin, stdout } = process
    let state = beginning(view, sizeOf(stdout), performance.now(), interval)
    let shown: Screen | null = null
    let isAsking = false

    const draw = (): void => {
      const screen = frameOf(state).map((line) => styled(line, palette, isFreshIn(state)))
      const text = repaint(shown, screen)
      shown = screen
      if (text !== '') stdout.write(text)
    }
    const happened = (event: DistributiveOmit<WatchEvent, 'at'>): void => {
      state = step(state, { ...event, at: performance.now() })
      if (state.isOver) end(0)
      else draw()
    }
    const look = async (): Promise<void> => {
      if (state.isPaused) return happened({ event: 'time-passed' })
      if (isAsking) return happened({ event: 'time-passed' })
      isAsking = true
      const heard = await answerFrom(file)
      isAsking = false
      // What came while somebody wants to read what is there is of no use to him.
      if (state.isPaused) return
      happened(heard.ok ? { event: 'answered', answer: heard.answer } : { event: 'failed', text: heard.text })
    }
    const typed = (key: Key): void => {
      if (key.key === 'redraw') shown = null
      if (key.key === 'suspend') suspend()
      else happened({ event: 'typed', key })
      if (key.key === 'pause' && !state.isPaused) void look()
    }
    const onInput = (text: string): void => {
      for (const key of keysIn(text)) typed(key)
    }
    const onResize = (): void => {
      shown = null
      happened({ event: 'resized', size: sizeOf(stdout) })
    }

    const enter = (): void => {
      if (stdin.isTTY) stdin.setRawMode(true)
      stdout.write(enterScreen)
      shown = null
    }
    // Not by the stream: it is the last that this process does, also when it fails.
    const leave = (): void => {
      if (stdin.isTTY) stdin.setRawMode(false)
      writeAtOnce(leaveScreen)
    }
    /** As a shell expects it of Ctrl-Z; `fg` has it go on. */
    const suspend = (): void => {
      leave()
      process.kill(process.pid, 'SIGSTOP')
    }
    const goOn = (): void => {
      enter()
      onResize()
    }
    // An answer that is still to come must not keep anybody: the exit gives the terminal back, also after a failure.
    const end = (code: number): never => process.exit(code)

    process.on('exit', leave)
    for (const signal of endings) process.on(signal, () => end(signalExit + constants.signals[signal]))
    process.on('SIGCONT', goOn)
    stdout.on('resize', onResize)
    // A window that was closed takes the input away, and what is written fails.
    const onGone = () => end(signalExit + constants.signals.SIGHUP)
    stdout.on('error', onGone)
    if (stdin.isTTY) stdin.setEncoding('utf8').on('data', onInput).on('end', onGone).on('error', onGone)
    enter()
    draw()
    void look()
    setInterval(() => void look(), interval)
  })

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** A terminal that does not tell its size has that of a VT100. */
const sizeOf = ({ columns, rows }: { readonly columns?: number; readonly rows?: number }): Size => ({
  columns: columns || 80,
  rows: rows || 24,
})

const writeAtOnce = (text: string): void => {
  try {
    writeSync(process.stdout.fd, text)
  } catch {
    // Nobody is there any more to whom it would matter.
  }
}
