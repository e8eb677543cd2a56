// Health by push with real servers: whatever happens to one, both balancers mark it, by the reason that is right, and bring it
// back; and what happens to an agent, a director or a balancer alone takes no server down.

import t from 'tap'
import { buildField, mishaps, type Subject, untilReady } from '../bench/detect/field.ts'
import { createLab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-push' })
t.teardown(() => lab.destroy())
const field = await buildField(lab, { haproxy: false })
const { ours, single, member } = field

const shown = async (subject: Subject) =>
  Promise.all(
    ours.map(async (side) => (await side.show('mysql')).servers.find(({ name }) => name === subject.name) ?? null),
  )
const downs = ({ name }: Subject): number =>
  field.observers.reduce((sum, observer) => sum + observer.changes(name, 'DOWN').length, 0)

/** What each of the two says of a server that is down: by what it was found, and why. `told`: one of them at least was told. */
const expected: Readonly<Record<string, { readonly told: boolean; readonly reason: RegExp }>> = {
  'kill -9 of MariaDB': { told: true, reason: /^connection-refused$/ },
  'clean shutdown': { told: true, reason: /^connection-refused$/ },
  'force-fail file': { told: true, reason: /^force-fail$/ },
  'loss of the primary component': { told: false, reason: /^not-primary$|^not-ready$/ },
  'read_only set': { told: false, reason: /^read-only$/ },
  'SIGSTOP of MariaDB': { told: false, reason: /^timeout$/ },
  'agent killed': { told: false, reason: /^agent-refused$/ },
  'host cut off': { told: false, reason: /^timeout$|^unreachable$/ },
}

for (const mishap of mishaps.filter(({ isFatal }) => isFatal)) {
  await t.test(`${mishap.name}: marked down on both balancers, and up again`, async (t) => {
    const subject = mishap.of(field)
    const wanted = expected[mishap.name]
    await mishap.happen(subject)
    const seen = await waitFor('both to mark it, and to know why', async () => {
      const both = await shown(subject)
      // Who looks while a server ends may find its connection closed first.
      const others = both.filter(
        (one) => !one?.status.startsWith('DOWN') || !wanted?.reason.test(one.last_check?.reason ?? ''),
      )
      if (others.length > 0) throw new Error(others.map((one) => `${one?.status} ${one?.last_check?.text}`).join(', '))
      return both
    })
    const words = seen.map((one) => one?.found?.by)
    t.ok(wanted?.told ? words.includes('push') : !words.includes(undefined), `found by ${words.join(' and ')}`)
    await mishap.undo(subject)
    await untilReady(field, subject)
  })
}

await t.test('an agent that is upgraded takes no server down, and is watched again', async (t) => {
  const before = downs(single)
  for (const mishap of mishaps.filter(({ isFatal }) => !isFatal)) await mishap.happen(single)
  await untilReady(field, single)
  t.equal(downs(single), before)
})

await t.test('a director that dies and a balancer that is stopped for a while take no server down', async (t) => {
  const before = downs(single) + downs(member)
  const [first, second] = ours
  const directors = (): readonly number[] =>
    (first?.process.lines() ?? [])
      .filter((line) => line.includes('Process director started'))
      .map((line) => Number(/"childPid":(\d+)/.exec(line)?.[1]))
  const old = directors().at(-1)
  if (old === undefined) throw new Error('there is no director')
  process.kill(old, 'SIGKILL')
  second?.process.stall()
  await waitFor('a new director', () => directors().at(-1) !== old)
  for (const one of [single, member]) {
    await waitFor('the new director to watch', async () => {
      const found = (await first?.show('mysql'))?.servers.find(({ name }) => name === one.name)
      return found?.status === 'UP' && found.watched
    })
  }
  // Longer than any silence that counts.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  second?.process.resume()
  for (const one of [single, member]) await untilReady(field, one)
  t.equal(downs(single) + downs(member), before)
})

await t.test('an agent that hangs is down by its silence and the time of the checks', async (t) => {
  single.agent().process().stall()
  const seen = await waitFor('both to mark it', async () => {
    const both = await shown(single)
    return both.every((one) => one?.status.startsWith('DOWN')) ? both : null
  })
  for (const one of seen) t.match(one, { found: { by: 'check' }, last_check: { status: 'L7TOUT' } })
  single.agent().process().resume()
  await untilReady(field, single)
})
