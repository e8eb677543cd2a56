// How long it takes until a server that fails is marked down, by the balancer with pushed health and by HAProxy that asks each
// second, on the same agents in the same run. `npm run bench:detect [ROUNDS] [WORDS OF ONE MISHAP]`

import { createLab } from '../lab/lab.ts'
import { buildField, type Field, type Mishap, mishaps, untilReady } from './detect/field.ts'

const rounds = Number(process.argv[2] ?? 5)
const only = process.argv[3] ?? ''
const giveUpMillis = 30_000
/** What takes no server down is watched for so long. */
const calmMillis = 4000
const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time))

/** Milliseconds until each observer said DOWN; null where it did not. */
const measure = async (field: Field, mishap: Mishap): Promise<readonly (number | null)[]> => {
  const subject = mishap.of(field)
  await untilReady(field, subject)
  // Not in step with anybody's interval.
  await sleep(1500 + Math.random() * 2000)
  const count = (i: number): number => field.observers[i]?.changes(subject.name, 'DOWN').length ?? 0
  const before = field.observers.map((_, i) => count(i))
  const took: (number | null)[] = field.observers.map(() => null)
  let startedAt = performance.now()
  const look = (): void => {
    for (const [i, known] of took.entries()) {
      if (known === null && count(i) > (before[i] ?? 0)) took[i] = performance.now() - startedAt
    }
  }
  const looking = setInterval(look, 1)
  await mishap.happen(subject)
  if (mishap.beginsWhenDone === true) startedAt = performance.now()
  const until = performance.now() + (mishap.isFatal ? giveUpMillis : calmMillis)
  while (performance.now() < until && took.includes(null)) await sleep(5)
  clearInterval(looking)
  await mishap.undo(subject)
  return took
}

const lab = await createLab({ name: 'bench-detect' })
const field = await buildField(lab, { haproxy: true })
console.log(`| what happens | ${field.observers.map(({ name }) => name).join(' | ')} |`)
console.log(`| --- |${field.observers.map(() => ' ---: |').join('')}`)
for (const mishap of mishaps.filter(({ name }) => name.includes(only))) {
  const runs: (readonly (number | null)[])[] = []
  for (let i = 0; i < rounds; i += 1) runs.push(await measure(field, mishap))
  const cells = field.observers.map((_, i) => {
    const times = runs.flatMap((run) => run[i] ?? []).sort((a, b) => a - b)
    const median = times[Math.floor(times.length / 2)]
    const most = times.at(-1)
    const missing = rounds - times.length
    if (median === undefined || most === undefined) return 'stays up'
    return `${median.toFixed(0)} (${most.toFixed(0)})${missing === 0 ? '' : `, ${missing} of ${rounds} stay up`}`
  })
  console.log(`| ${mishap.name} | ${cells.join(' | ')} |`)
}
await lab.destroy()
