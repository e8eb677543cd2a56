import fc from 'fast-check'
import t from 'tap'
import { parseFromChild, parseToChild } from '../../../balancer/supervisor/messages.ts'

const secret = 's3cr3t'
/** Messages that carry secrets, as far as anything can carry them. */
const messages = {
  configure: { type: 'configure', version: secret, config: { vrrp: { password: secret } }, resume: [], facts: [] },
  reconfigure: { type: 'reconfigure', id: 1, config: { listeners: [secret], token: secret } },
  failed: { type: 'failed-start', text: secret },
  fact: { type: 'fact', fact: { fact: 'writer', listener: secret, server: secret, since: 1 } },
  answer: { type: 'reconfigured', id: 1, result: { ok: true, lines: [secret] } },
  unknown: { type: secret, config: { password: secret } },
}
const damages: readonly ((value: unknown) => unknown)[] = [
  () => undefined,
  () => secret,
  () => [secret],
  () => ({ [`a${secret}`.slice(0, 1)]: secret }),
  (value) => ({ value, secret }),
]

t.test('the report of a message that is not understood has nothing of what it carried', async (t) => {
  let refused = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(messages)),
      fc.nat(),
      fc.constantFrom(...damages),
      fc.constantFrom(parseToChild, parseFromChild),
      (message, at, damage, parse) => {
        const keys = Object.keys(message)
        const key = keys[at % keys.length] ?? 'type'
        const read = parse({ ...message, [key]: damage(Reflect.get(message, key)) })
        if (read.ok) return
        refused += 1
        t.notMatch(read.text, secret)
        t.ok(read.text.length > 0)
      },
    ),
    { numRuns: 500 },
  )
  t.ok(refused > 100, `${refused} were refused`)
})
