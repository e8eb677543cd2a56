// What was measured already: one JSON line per repetition, so that a run that was cut off goes on where it was.

import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { rowNames } from './rows.ts'
import { sideNames } from './side.ts'

const recordSchema = z.object({
  /** The code that was measured. */
  key: z.string(),
  row: z.enum(rowNames),
  /** Milliseconds. */
  interval: z.number(),
  side: z.enum(sideNames),
  repetition: z.number(),
  /** When it failed, between two advertisements: 0 to 1. */
  phase: z.number(),
  gapMs: z.number(),
  attempts: z.number(),
  failed: z.number(),
  slow: z.number(),
  movedMs: z.number().nullable(),
  calmGapMs: z.number(),
  probeLateMs: z.number(),
  /** How often it was begun again, because the address moved or connections failed before anything was done. */
  restarts: z.number(),
})

/** One finished repetition. */
export type BenchRecord = z.output<typeof recordSchema>

/** The repetitions in a file that belong to one key. */
export type Records = {
  readonly all: () => readonly BenchRecord[]
  readonly add: (record: Omit<BenchRecord, 'key'>) => void
}

const parseLine = (line: string): readonly BenchRecord[] => {
  try {
    const { data } = recordSchema.safeParse(JSON.parse(line))
    return data === undefined ? [] : [data]
  } catch {
    // The last line of a run that was killed while it wrote.
    return []
  }
}

/** Opens the file; `fresh` forgets what is in it. */
export const openRecords = (file: string, key: string, fresh: boolean): Records => {
  if (fresh) rmSync(file, { force: true })
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  const records = lines.flatMap(parseLine).filter((record) => record.key === key)
  return {
    all: () => records,
    add: (record) => {
      const keyed = { ...record, key }
      records.push(keyed)
      // What a killed run left half written must not swallow this line.
      appendFileSync(file, `\n${JSON.stringify(keyed)}`)
    },
  }
}

const built = fileURLToPath(new URL('../../../', import.meta.url))
const measured = ['balancer', 'shared', 'test/bench/failover', 'test/lab']
/** What only reads and judges: measurements outlive a change of it. */
const judging = /\.test\.js$|(arguments|records|verdict)\.js$/

/** A word for the code that is measured and measures, as it is built now. */
export const keyOf = (): string => {
  const hash = createHash('sha256')
  for (const folder of measured) {
    const files = readdirSync(join(built, folder), { recursive: true, encoding: 'utf8' }).toSorted()
    for (const file of files) {
      if (!file.endsWith('.js') || judging.test(file)) continue
      hash.update(file).update(readFileSync(join(built, folder, file)))
    }
  }
  return hash.digest('hex').slice(0, 16)
}
