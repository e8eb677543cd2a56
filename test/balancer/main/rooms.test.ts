import t from 'tap'
import { FailedStart } from '../../../balancer/core/failed-start.ts'
import type { Datapath } from '../../../balancer/core/forwarders.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { RunningDatapath } from '../../../balancer/datapath/datapath.ts'
import { type Room, runRooms } from '../../../balancer/main/rooms.ts'
import { listenerOf } from '../datapath/planning.ts'

/** Rooms that write down what they are told; those in `refusing` take no listener of that name. */
const rooms = (refusing: readonly string[] = []) => {
  const said: string[] = []
  const room = (datapath: Datapath): Room => ({
    datapath,
    start: async (listeners) => {
      const take = (all: typeof listeners, verb: string): void => {
        const names = all.map(({ name }) => name)
        said.push(`${datapath} ${verb} ${names.join(' ')}`.trim())
        if (names.some((name) => refusing.includes(`${datapath}/${name}`))) throw new FailedStart('not this one')
      }
      take(listeners, 'starts')
      const running: RunningDatapath = {
        hear: (fact) => said.push(`${datapath} hears ${fact.listener}`),
        reconfigure: async (all) => take(all, 'goes on with'),
        endSessions: async () => ({
          ended: [{ listener: 'all', server: 'db1', sessions: datapath === 'direct' ? 2 : 1 }],
          troubles: [],
        }),
        listSessions: async () => ({ sessions: [], left: datapath === 'direct' ? 2 : 1, troubles: [] }),
        unreachable: async () => void said.push(`${datapath} is unreachable`),
        handles: () => new Map(),
        goOn: () => void said.push(`${datapath} goes on`),
        retire: async () => void said.push(`${datapath} retires`),
        stop: () => void said.push(`${datapath} stops`),
      }
      return running
    },
  })
  return { said, all: [room('kernel'), room('direct')] }
}

const listener = (name: string, datapath: Datapath) => listenerOf({ name, datapath })

t.test('a datapath runs as long as it has a listener', async (t) => {
  const { said, all } = rooms()
  const running = await runRooms(all, [listener('a', 'direct')], [])
  t.same(said.splice(0), ['direct starts a'])
  await running.reconfigure([listener('a', 'direct'), listener('b', 'kernel')], [])
  t.same(said.splice(0), ['kernel starts b', 'direct goes on with a'])
  await running.reconfigure([listener('b', 'kernel')], [])
  t.same(said.splice(0), ['kernel goes on with b', 'direct goes on with', 'direct stops'])
})

t.test('who gets a listener of another one comes first', async (t) => {
  const { said, all } = rooms()
  const running = await runRooms(all, [listener('a', 'kernel'), listener('b', 'direct')], [])
  said.splice(0)
  await running.reconfigure([listener('a', 'direct'), listener('b', 'direct')], [])
  t.same(said, ['direct goes on with a b', 'kernel goes on with', 'kernel stops'])
})

t.test('where one cannot go on, none has changed', async (t) => {
  const { said, all } = rooms(['direct/b'])
  const running = await runRooms(all, [listener('a', 'kernel'), listener('c', 'direct')], [])
  said.splice(0)
  const next = [listener('d', 'kernel'), listener('b', 'direct')]
  await t.rejects(running.reconfigure(next, []), FailedStart)
  t.same(said, ['kernel goes on with d', 'direct goes on with b', 'kernel goes on with a'])
})

t.test('one that was started in vain is stopped again', async (t) => {
  const { said, all } = rooms(['direct/b'])
  const running = await runRooms(all, [listener('c', 'direct')], [])
  said.splice(0)
  await t.rejects(running.reconfigure([listener('d', 'kernel'), listener('b', 'direct')], []), FailedStart)
  t.same(said.splice(0), ['kernel starts d', 'direct goes on with b', 'kernel stops'])
  await running.retire()
  t.same(said, ['direct retires'])
})

t.test('all are asked and told', async (t) => {
  const { said, all } = rooms()
  const running = await runRooms(all, [listener('a', 'kernel'), listener('b', 'direct')], [])
  said.splice(0)
  await running.unreachable(millis(1))
  await running.stop()
  t.same(said, ['kernel is unreachable', 'direct is unreachable', 'kernel stops', 'direct stops'])
  const order = { by: 'server', listener: 'all', server: 'db1' } as const
  t.same(await running.endSessions(order), { ended: [{ listener: 'all', server: 'db1', sessions: 3 }], troubles: [] })
})
