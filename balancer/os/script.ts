// Runs programs that an operator configured, on a thread of their own: starting one means waiting until the system has
// found the time and the disk for it, and neither a script nor a hundred of them may make an advertisement late.

import { Worker } from 'node:worker_threads'
import { textOf } from '../core/error-text.ts'
import type { RunningScript, Script, ScriptResult } from './script-process.ts'

export type { RunningScript, Script } from './script-process.ts'

/** What the thread is told. */
export type ToScriptThread =
  | { readonly order: 'run'; readonly id: number; readonly script: Script }
  | { readonly order: 'kill'; readonly id: number }

/** What the thread tells; `result` null: it is surely gone. */
export type FromScriptThread = { readonly id: number; readonly result: ScriptResult | null }

type Waiting = { readonly onResult: (result: ScriptResult) => void; readonly onEnded: () => void }

let thread: Worker | null = null
let lastId = 0
/** By id: the scripts of which something is still to be heard. */
const waiting = new Map<number, Waiting>()

/** Starts a script. Never throws: that it cannot be started is a result. */
export const runScript = (script: Script): RunningScript => {
  lastId += 1
  const id = lastId
  let onResult: Waiting['onResult'] = () => {}
  let onEnded: Waiting['onEnded'] = () => {}
  const result = new Promise<ScriptResult>((resolve) => {
    onResult = resolve
  })
  const ended = new Promise<void>((resolve) => {
    onEnded = resolve
  })
  waiting.set(id, { onResult, onEnded })
  thread ??= startThread()
  const starter = thread
  const tell = (message: ToScriptThread): void => starter.postMessage(message)
  // While something is to be heard it keeps this process alive, and not a moment longer.
  starter.ref()
  tell({ order: 'run', id, script })
  return { result, ended, kill: () => tell({ order: 'kill', id }) }
}

const startThread = (): Worker => {
  const started = new Worker(new URL('./script-thread.js', import.meta.url), { env: {}, execArgv: [] })
  started.on('message', ({ id, result }: FromScriptThread) => {
    if (result !== null) waiting.get(id)?.onResult(result)
    else {
      waiting.get(id)?.onEnded()
      waiting.delete(id)
      if (waiting.size === 0) started.unref()
    }
  })
  started.once('error', (error: unknown) => {
    thread = null
    const text = `could not be started: ${textOf(error)}`
    for (const { onResult, onEnded } of waiting.values()) {
      onResult({ ok: false, text, lastLine: null })
      onEnded()
    }
    waiting.clear()
  })
  return started
}
