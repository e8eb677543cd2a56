// The table against a kernel of the test's own, whose events and lists are read late and in any mixture.

import fc from 'fast-check'
import t from 'tap'
import { createSessions, type TrackedEntry } from '../../../../../balancer/datapath/kernel/core/sessions.ts'
import { destroyOf, entryOf, updateOf } from './session-entries.ts'

type Step =
  | { readonly do: 'open' | 'read' | 'list' | 'list-on' | 'overrun' }
  | { readonly do: 'go-on'; readonly which: number; readonly destroy: boolean }

const states = ['syn-sent', 'syn-received', 'established', 'time-wait'] as const
const parts = 3

/** A kernel with entries, a queue of events and at most one list under way. */
const createKernel = () => {
  const live = new Map<number, number>()
  const sessions = createSessions({ listenerMask: 0xffffc000 })
  const queue: TrackedEntry[] = []
  let chunks: (readonly TrackedEntry[])[] | undefined
  let isBlind = false
  let opened = 0
  let established = 0
  const tell = (entry: TrackedEntry): void => void (isBlind || queue.push(entry))
  const snapshot = (part: number): readonly TrackedEntry[] =>
    [...live]
      .filter(([client]) => client % parts === part)
      .map(([client, state]) => updateOf(client, states[state] ?? '', { hasReply: state > 0 }))
  const read = (most: number): void => {
    for (const entry of queue.splice(0, most)) sessions.hear(entry, 0)
  }
  /** The kernel has walked one more part; it is heard of one step later. */
  const listOn = (): void => {
    if (chunks === undefined) return
    for (const entry of chunks.at(-1) ?? []) sessions.list(entry, 0)
    if (chunks.length <= parts) {
      chunks.push(chunks.length < parts ? snapshot(chunks.length) : [])
      return
    }
    read(queue.length)
    sessions.endList(false)
    chunks = undefined
  }
  const startList = (): void => {
    if (chunks !== undefined) return
    read(queue.length)
    sessions.beginList()
    chunks = [snapshot(0)]
  }
  return {
    sessions,
    take: (step: Step): void => {
      if (step.do === 'open') {
        // A port is used again, and with it now and then the whole key.
        const client = opened % 5
        if (!live.has(client)) {
          live.set(client, 0)
          tell(entryOf(client))
        }
        opened += 1
      } else if (step.do === 'go-on') {
        const [client, state] = [...live][step.which % Math.max(1, live.size)] ?? []
        if (client === undefined || state === undefined) return
        if (step.destroy || state === states.length - 1) {
          live.delete(client)
          tell(destroyOf(client, states[state] ?? '', { hasReply: state > 0 }))
        } else {
          live.set(client, state + 1)
          if (state + 1 === 2) established += 1
          tell(updateOf(client, states[state + 1] ?? ''))
        }
      } else if (step.do === 'read') read(6)
      else if (step.do === 'list') startList()
      else if (step.do === 'list-on') listOn()
      else isBlind = !isBlind
    },
    /** Ends the list that is under way, and reads what is left. */
    settle: (): void => {
      while (chunks !== undefined) listOn()
      read(queue.length)
    },
    listAll: (): void => {
      isBlind = false
      while (chunks !== undefined) listOn()
      startList()
      while (chunks !== undefined) listOn()
    },
    living: () => [...live.values()].filter((state) => state < states.length - 1).length,
    entries: () => live.size,
    established: () => established,
  }
}

const quiet = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('open', 'read', 'list', 'list-on') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('go-on'), which: fc.nat(4), destroy: fc.boolean() }) },
) as fc.Arbitrary<Step>
const noisy = fc.oneof(
  { weight: 8, arbitrary: quiet },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('overrun') }) },
) as fc.Arbitrary<Step>

t.test('a list and what happens meanwhile, in any mixture, count every session once', async (t) => {
  const check = () =>
    fc.assert(
      fc.property(fc.array(quiet, { maxLength: 60 }), (steps) => {
        const kernel = createKernel()
        for (const step of steps) kernel.take(step)
        kernel.settle()
        const { sessions, totalSessions } = kernel.sessions.servers()[0] ?? { sessions: 0, totalSessions: 0 }
        return (
          sessions === kernel.living() &&
          totalSessions === kernel.established() &&
          kernel.sessions.known() === kernel.entries()
        )
      }),
      { numRuns: 3000 },
    )
  t.doesNotThrow(check)
})

t.test('whatever was lost: after a list the table knows what lives, and nothing else', async (t) => {
  const check = () =>
    fc.assert(
      fc.property(fc.array(noisy, { maxLength: 60 }), (steps) => {
        const kernel = createKernel()
        for (const step of steps) kernel.take(step)
        kernel.listAll()
        const { sessions } = kernel.sessions.servers()[0] ?? { sessions: 0 }
        return kernel.sessions.known() === kernel.entries() && sessions >= 0 && sessions <= kernel.entries()
      }),
      { numRuns: 3000 },
    )
  t.doesNotThrow(check)
})
