// `balancer show … --watch --json`: for programs, one document on each line, for as long as somebody reads them.

import { setTimeout as wait } from 'node:timers/promises'
import type { ViewName } from '../../admin/core/views/terminal/contents.ts'
import { printableJson } from '../../core/text.ts'
import { hearRunning, viewLimit } from '../runtime.ts'

/** Writes what a view says each `interval` milliseconds. A balancer that is away is told of once, on standard error. */
export const stream = async (file: string, view: ViewName, interval: number): Promise<number> => {
  let isOver = false
  let told: string | null = null
  process.stdout.on('error', () => {
    isOver = true
  })
  while (!isOver) {
    const next = wait(interval)
    const heard = await hearRunning(file, ['show', view, '--json'], viewLimit)
    if (heard.ok) process.stdout.write(`${printableJson(JSON.stringify(JSON.parse(heard.text)))}\n`)
    else if (heard.text !== told) process.stderr.write(`balancer: ${heard.text}\n`)
    told = heard.ok ? null : heard.text
    await next
  }
  return 0
}
