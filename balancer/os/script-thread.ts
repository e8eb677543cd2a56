// The thread that starts scripts; see script.ts.

import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import type { FromScriptThread, ToScriptThread } from './script.ts'
import { startScript } from './script-process.ts'

const running = new Map<number, () => void>()
const tell = (message: FromScriptThread): void => parentPort?.postMessage(message)

const ordinaryPriority = 0
try {
  // Of this thread alone, and what it starts: the process may run with a raised one.
  setPriority(ordinaryPriority)
} catch {
  // It has an ordinary one, or a lower one that it may not raise.
}

parentPort?.on('message', (message: ToScriptThread) => {
  const { id } = message
  if (message.order === 'kill') {
    running.get(id)?.()
    return
  }
  const { result, ended, kill } = startScript(message.script)
  running.set(id, kill)
  const settled = result.then((how) => tell({ id, result: how }))
  // It may be gone before its last words have arrived.
  void Promise.all([settled, ended]).then(() => {
    running.delete(id)
    tell({ id, result: null })
  })
})
