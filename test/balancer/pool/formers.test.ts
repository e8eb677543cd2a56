import t from 'tap'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { formersOf } from '../../../balancer/pool/core/formers.ts'

/** Listeners as `name port server@address server@address`. */
const listenersOf = (...texts: readonly string[]) =>
  balancerSchema.parse({
    router_id: 'test',
    listeners: texts.map((text) => {
      const [name, port, ...servers] = text.split(' ')
      return {
        name,
        bind: `198.18.0.100:${port}`,
        servers: servers.map((server) => ({
          name: server.split('@')[0],
          address: `198.18.0.${server.split('@')[1]}:3306`,
        })),
      }
    }),
  }).listeners

/** What each server of `after` was before, as `listener/server`. */
const formers = (before: readonly string[], after: readonly string[]): readonly string[] => {
  const now = listenersOf(...after)
  const found = formersOf(listenersOf(...before), now)
  return now.flatMap((listener) =>
    listener.servers.map(
      (server) => `${found.listener(listener)?.name ?? '-'}/${found.server(listener, server)?.name ?? '-'}`,
    ),
  )
}

t.test('what stays, what has another name, and what is new', async (t) => {
  const table = [
    ['nothing changes', ['m 1 a@1 b@2'], ['m 1 a@1 b@2'], ['m/a', 'm/b']],
    ['a server has another name', ['m 1 a@1 b@2'], ['m 1 c@1 b@2'], ['m/a', 'm/b']],
    ['a server has another address', ['m 1 a@1'], ['m 1 a@9'], ['m/-']],
    ['a server is added', ['m 1 a@1'], ['m 1 a@1 b@2'], ['m/a', 'm/-']],
    ['two servers swap their names', ['m 1 a@1 b@2'], ['m 1 b@1 a@2'], ['m/-', 'm/-']],
    ['a listener has another name, and its server too', ['m 1 a@1'], ['n 1 c@1'], ['m/a']],
    ['a listener has another port', ['m 1 a@1'], ['m 2 a@1'], ['m/a']],
    ['a listener has another name and port', ['m 1 a@1'], ['n 2 a@1'], ['-/-']],
    ['two listeners swap their names', ['m 1 a@1', 'n 2 a@1'], ['n 1 a@1', 'm 2 a@1'], ['n/a', 'm/a']],
    ['two names for one address', ['m 1 a@1'], ['m 1 b@1 c@1'], ['m/a', 'm/-']],
  ] as const
  for (const [name, before, after, expected] of table) t.same(formers(before, after), expected, name)
})
