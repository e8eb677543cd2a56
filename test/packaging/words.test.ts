// Every key of both files with values that it cannot have: what is said is ours, and says what to write.

import t from 'tap'
import { parse } from 'yaml'
import type { z } from 'zod'
import { agentSchema } from '../../agent/config/schema.ts'
import { words as agentWords } from '../../agent/config/words.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { words as balancerWords } from '../../balancer/config/words.ts'
import { packaged, uncommented } from './keys.ts'

t.setTimeout(600_000)

type Path = readonly (string | number)[]

const long = 'x'.repeat(6000)
const wrongValues: readonly unknown[] = [null, true, -1, 1.5, '', long, [], { a: 1 }]

/** Words of the library that checks the shapes. */
const foreign = /expected|invalid|too (big|small)|unrecognized|>=|<=|received|\bnan\b/i

/** Shorter ones say nothing. */
const shortest = 10

/** The paths of everything in a value, the lists and mappings too. */
const pathsIn = (value: unknown, above: Path = []): readonly Path[] => {
  if (typeof value !== 'object' || value === null) return [above]
  const inside = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return [above, ...inside.flatMap(([key, part]) => pathsIn(part, [...above, key]))]
}

const withValue = (value: unknown, [step, ...rest]: Path, wrong: unknown): unknown => {
  if (step === undefined) return wrong
  if (Array.isArray(value)) return value.map((part, i) => (i === step ? withValue(part, rest, wrong) : part))
  return Object.fromEntries(
    Object.entries(value ?? {}).map(([key, part]) => [key, key === step ? withValue(part, rest, wrong) : part]),
  )
}

const wholeBalancer: unknown = parse(uncommented(packaged('examples/balancer.yaml')))
/** These are sections of their own, the other comments belong to the section above them. */
const ownSections = /^# (?:agent_check|direct_return):.*\n(?:# {3,}.*\n)*/gm
const wholeAgent: unknown = parse(
  uncommented(packaged('examples/agent.yaml').replace(ownSections, (section) => section.replace(/^# /gm, ''))),
)

const files = [
  { name: 'agent.yaml', schema: agentSchema, words: agentWords, whole: wholeAgent },
  { name: 'balancer.yaml', schema: balancerSchema, words: balancerWords, whole: wholeBalancer },
]

/** What is said; of a key in a record what stands inside. An unknown key is told in words of its own. */
const messagesOf = (issues: readonly z.core.$ZodIssue[]): readonly string[] =>
  issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? [] : issue.code === 'invalid_key' ? messagesOf(issue.issues) : [issue.message],
  )

for (const { name, schema, words, whole } of files) {
  t.test(`${name}: a wrong value is told in words of ours, whatever it is`, async (t) => {
    const paths = pathsIn(whole)
    t.ok(paths.length > 30, `${paths.length} places`)
    const said = new Set<string>()
    for (const path of paths) {
      const messages = wrongValues.flatMap((wrong) => {
        const { error } = schema.safeParse(withValue(whole, path, wrong), { error: words })
        return messagesOf(error?.issues ?? [])
      })
      t.not(messages.length, 0, path.join('.'))
      for (const message of messages) said.add(message)
    }
    t.same(
      [...said].filter((text) => foreign.test(text) || text.length < shortest),
      [],
    )
  })
}
