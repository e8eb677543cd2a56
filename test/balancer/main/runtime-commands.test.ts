import t from 'tap'
import { statusOf } from '../../../balancer/admin/core/model/status.ts'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { runtimeCommands } from '../../../balancer/main/runtime-commands.ts'
import { createAccounts } from '../../../balancer/pool/core/accounts.ts'
import { createPool } from '../../../balancer/pool/core/pool.ts'
import type { SessionsEnded, SessionsToEnd } from '../../../balancer/pool/core/session-order.ts'

const config = balancerSchema.parse({
  router_id: 'lb1',
  listeners: [{ name: 'mysql', bind: '198.18.0.100:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }],
})
const pool = createPool([])
const refuse = async () => ({ ok: false as const, lines: ['not asked for'] })

/** What `sessions` answers where so much has ended, and for whom it was asked. */
const answer = async (words: string, result: SessionsEnded) => {
  const asked: SessionsToEnd[] = []
  const commands = runtimeCommands({
    ...{ requestReload: refuse, requestReexec: refuse, orderRouter: refuse },
    ...{ order: () => undefined, events: () => [] },
    status: () =>
      statusOf({
        config,
        pool,
        accounts: createAccounts(),
        version: '0',
        now: 5000,
        startedAt: 0,
        iso: (at) => `${at}`,
        refusals: {},
      }),
    endSessions: async (end) => {
      asked.push(end)
      return result
    },
  })
  const text = await Promise.resolve(commands['sessions']?.(words.split(' '))).catch(
    (error: unknown) => `refused: ${error instanceof Error ? error.message : ''}`,
  )
  return { text, asked }
}
const none: SessionsEnded = { ended: [], troubles: [] }
const two = (server: string): SessionsEnded => ({ ended: [{ listener: 'mysql', server, sessions: 2 }], troubles: [] })

t.test('an order to end sessions is answered with what came of it', async (t) => {
  const ended = await answer('end mysql/db1', two('db1'))
  t.same(ended, { text: '2 sessions ended on mysql/db1', asked: [{ by: 'server', listener: 'mysql', server: 'db1' }] })
  t.equal((await answer('end mysql/db1', none)).text, 'mysql/db1 has no session here')
  t.equal((await answer('end 198.18.1.5', none)).text, '198.18.1.5 has no session here')
  t.equal((await answer('end mysql/old', two('old'))).text, '2 sessions ended on mysql/old', 'a reload took it away')
})

t.test('what cannot be carried out, or not wholly, is refused', async (t) => {
  t.equal((await answer('end mysql/db9', none)).text, 'refused: there is no server db9 in mysql; there are db1')
  t.equal((await answer('end pg/db1', none)).text, 'refused: there is no listener pg; show servers lists all')
  const late = { troubles: ['the process kernel died'] }
  t.equal((await answer('end 198.18.1.5', { ...none, ...late })).text, 'refused: the process kernel died')
  t.equal(
    (await answer('end mysql/db1', { ...two('db1'), ...late })).text,
    'refused: 2 sessions ended on mysql/db1; but the process kernel died',
  )
  t.same((await answer('stop mysql/db1', none)).asked, [], 'nobody is asked')
})
