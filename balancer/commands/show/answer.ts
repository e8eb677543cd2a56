// What the running balancer says, as the views need it.

import * as z from 'zod'
import { statusSchema } from '../../admin/core/model/status-schema.ts'
import type { Answer } from '../../admin/core/views/terminal/contents.ts'
import { duration } from '../../admin/core/views/text.ts'
import { hearRunning, viewLimit } from '../runtime.ts'

const events = z.array(z.object({ at: z.string(), level: z.enum(['info', 'warn', 'error']), text: z.string() }))

/** What it said; or why it did not, in a sentence. `isOther`: it did, in a form that this program does not know. */
export type HeardAnswer =
  | { readonly ok: true; readonly answer: Answer }
  | { readonly ok: false; readonly isOther: boolean; readonly text: string }

/** Asks the balancer that runs with the configuration `file`. */
export const answerFrom = async (file: string): Promise<HeardAnswer> => {
  const document = await hearRunning(file, ['show', 'status', '--json'], viewLimit)
  const list = await hearRunning(file, ['show', 'events', '--json'], viewLimit)
  if (!document.ok) return { ok: false, isOther: document.isRefused, text: document.text }
  if (!list.ok) return { ok: false, isOther: list.isRefused, text: list.text }
  const [status, told] = [statusSchema.safeParse(parsed(document.text)), events.safeParse(parsed(list.text))]
  if (!status.success || !told.success) return { ok: false, isOther: true, text: otherVersion }
  const { generated_at: now } = status.data
  const ago = (at: string): string => duration(Date.parse(now) - Date.parse(at))
  return { ok: true, answer: { status: status.data, events: told.data.map((one) => ({ ...one, ago: ago(one.at) })) } }
}

const otherVersion =
  'the running balancer is of another version than this program: balancer reexec makes it this one; balancer show without --watch goes on'

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
