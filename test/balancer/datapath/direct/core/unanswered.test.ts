// A server that passes its checks and answers no clients.

import t from 'tap'
import { type Counted, counted, unanswered } from '../../../../../balancer/datapath/direct/core/unanswered.ts'

/** What is said after these counts, one each ten seconds. */
const after = (...counts: readonly (readonly [begun: number, failed: number])[]) => {
  let history: readonly Counted[] = []
  for (const [i, [begun, failed]] of counts.entries()) history = counted(history, { at: 10_000 * i, begun, failed })
  return { said: unanswered(history, 'db1', 3306), kept: history.length }
}

t.test('two that got no answer, and a tenth of all, are told', async (t) => {
  t.match(after([0, 0], [4, 2]).said, /^2 of 6 connections to db1 in the last minute got no answer.* port 3306/)
  t.match(after([100, 7], [118, 9]).said, /^2 of 20 /)
})

t.test('one, or few among many, are nothing: clients give up for reasons of their own', async (t) => {
  t.equal(after([0, 0], [0, 1]).said, null)
  t.equal(after([100, 7], [119, 9]).said, null)
  t.equal(after().said, null)
})

t.test('what is older than a minute is forgotten', async (t) => {
  const counts = [0, 2, 2, 2, 2, 2, 2, 2, 2].map((failed, i) => [i, failed] as const)
  t.match(after(...counts.slice(0, 7)).said, /^2 of 8/)
  t.same(after(...counts), { said: null, kept: 7 })
})

t.test('counts that begin anew are no connections', async (t) => {
  t.same(after([50, 40], [0, 0]), { said: null, kept: 1 })
})
