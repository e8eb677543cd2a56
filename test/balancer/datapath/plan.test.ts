// What one listener decides, whatever forwards for it.

import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { loginMillis, targetsOf } from '../../../balancer/datapath/core/plan.ts'
import { everybody } from '../../../balancer/datapath/core/planned-server.ts'
import { dead, listenerOf, takenOut, tell } from './planning.ts'

const three = (keys: Record<string, unknown> = {}) => listenerOf(keys, ['a', 'b', 'c'])

t.test('targets are the servers that are up, ready and weighted; none before anything is heard', async (t) => {
  t.equal(tell(three(), { up: [] }).targets(0), '')
  const told = tell(three())
  t.equal(told.targets(0), 'abc')
  told.hear(1, 'a', { admin: 'drain' })
  t.equal(told.targets(1), 'bc')
  told.hear(2, 'b', { weight: 0 })
  t.equal(told.targets(2), 'c')
  told.hear(3, 'c', { draining: true })
  t.equal(told.targets(3), '')
  told.hear(4, 'a', { weight: 7, maximumSessions: 9 })
  const { id, ...target } = targetsOf(told.plan(), millis(4)).targets[0] ?? { id: -1 }
  t.same(target, { server: 'a', address: { address: '198.18.1.97', port: 3306 }, weight: 7, maximumSessions: 9 })
  t.equal(id, 0)
  told.hear(5, 'x')
  t.equal(told.targets(5), 'a', 'a fact about a stranger changes nothing')
})

t.test('backups: none while an active one is up, then the first one or all', async (t) => {
  for (const [all, expected] of [
    [false, 'b'],
    [true, 'bc'],
  ] as const) {
    const told = tell(three({ all_backups: all }))
    for (const backup of ['b', 'c']) told.hear(1, backup, { backup: true })
    t.equal(told.targets(1), 'a')
    told.hear(2, 'a', dead)
    t.equal(told.targets(2), expected)
  }
})

t.test('panic: below the threshold all serve but those that somebody took out', async (t) => {
  const told = tell(three({ panic_threshold: 2 }))
  const isPanicking = () => targetsOf(told.plan(), millis(9)).isPanicking
  told.hear(1, 'b', { backup: true })
  told.hear(2, 'c', dead)
  t.equal(told.targets(2), 'a', 'two pass: no panic')
  t.notOk(isPanicking())
  told.hear(3, 'a', dead)
  t.equal(told.targets(3), 'abc')
  t.ok(isPanicking())
  told.hear(4, 'c', { ...takenOut, refusing: true })
  t.equal(told.targets(4), 'ab')
  told.hear(5, 'b', { ...dead, draining: true })
  told.hear(6, 'a', { ...dead, admin: 'maint' })
  t.equal(told.targets(6), '')
  t.equal(tell(three(), { up: ['a'] }).targets(0), 'a', 'and not without a threshold')
})

t.test('slow start: the weight grows in steps, from the moment on at which the server came up', async (t) => {
  const told = tell(listenerOf({ slow_start: '10s' }))
  const shareOf = (moment: number) => {
    const { targets, changesAt } = targetsOf(told.plan(), millis(moment))
    return { weight: targets.find(({ server }) => server === 'a')?.weight, changesAt }
  }
  t.same(shareOf(1), { weight: 1, changesAt: null }, 'one that is up for long has all of it')
  told.hear(2000, 'a', dead)
  told.hear(5000, 'a', { weight: 10 }, 3000)
  t.same(shareOf(5000), { weight: 3, changesAt: 5500 })
  told.hear(5100, 'a', { weight: 20 }, 9999)
  t.same(shareOf(5100), { weight: 6, changesAt: 5500 }, 'another fact does not begin anew')
  t.same(shareOf(11_500), { weight: 19, changesAt: 12_000 })
  t.same(shareOf(12_000), { weight: 20, changesAt: null })
})

t.test('down: a dead server loses all at once, one that still works when logins had their time', async (t) => {
  const told = tell(listenerOf())
  t.same(told.hear(1000, 'a', dead), ['end-attempts a server-down', `end-sessions a server-down < ${everybody}`])
  t.equal(told.deadline(), null)
  t.same(told.hear(2000, 'b', takenOut), ['end-attempts b server-down', 'end-sessions b server-down < 1500'])
  t.equal(told.deadline(), 2000 + loginMillis)
  t.same(told.wake(2499), [], 'early is nothing')
  t.equal(told.deadline(), 2500)
  t.same(told.wake(2503), ['end-sessions b server-down < 2000'])
  t.equal(told.deadline(), null)
})

t.test('down, with a grace: its sessions end after that; with keep they stay', async (t) => {
  const told = tell(listenerOf({ shutdown_grace: '3s' }))
  t.same(told.hear(1000, 'a', dead), ['end-attempts a server-down'])
  t.same(told.wake(3999), [])
  t.same(told.wake(4000), ['end-attempts a server-down', `end-sessions a server-down < ${everybody}`])
  t.same(told.hear(5000, 'b', takenOut), ['end-attempts b server-down'])
  t.same(told.wake(8001), ['end-attempts b server-down', 'end-sessions b server-down < 7501'])
  t.same(told.wake(8501), ['end-sessions b server-down < 8001'])
  const kept = tell(listenerOf({ on_marked_down: 'keep' }))
  t.same(kept.hear(1000, 'a', dead), ['end-attempts a server-down'])
  t.equal(kept.deadline(), null)
})

t.test('a server that is back keeps what it still has: in its grace, and while logins have their time', async (t) => {
  const grace = tell(listenerOf({ shutdown_grace: '3s' }))
  grace.hear(1000, 'a', dead)
  t.same(grace.hear(2000, 'a'), ['forget-failures a'])
  t.equal(grace.deadline(), null)
  const login = tell(listenerOf())
  login.hear(1000, 'a', takenOut)
  t.same(login.hear(1499, 'a'), ['forget-failures a'])
  t.equal(login.deadline(), null)
  t.same(login.hear(1600, 'a', dead).length, 2, 'and they end when it goes down again')
})

t.test('what was due before is done first', async (t) => {
  const told = tell(listenerOf({ shutdown_grace: '3s' }))
  told.hear(1000, 'a', dead)
  t.same(told.hear(4001, 'a'), [
    'end-attempts a server-down',
    `end-sessions a server-down < ${everybody}`,
    'forget-failures a',
  ])
})

/** `b` is a backup that `a` sends home when it is back. */
const relieved = () => {
  const told = tell(listenerOf({ on_marked_up: 'shutdown_backup_sessions' }))
  told.hear(10, 'b', { backup: true })
  told.hear(1000, 'a', dead)
  return told
}

t.test('an active server that is up sends sessions on backups home, where that is asked for', async (t) => {
  t.same(relieved().hear(2000, 'a'), [
    'end-attempts b active-server-up',
    'end-sessions b active-server-up < 1500',
    'forget-failures a',
  ])
  const keeping = tell(listenerOf())
  keeping.hear(10, 'b', { backup: true })
  keeping.hear(1000, 'a', dead)
  t.same(keeping.hear(2000, 'a'), ['forget-failures a'])
})

t.test('who came since a server was vacated stays, where it is wanted again', async (t) => {
  const told = relieved()
  told.hear(2000, 'a')
  told.hear(2100, 'a', dead)
  t.equal(told.targets(2100), 'b')
  t.same(told.wake(2500), ['end-sessions b active-server-up < 2000'])
  t.equal(told.deadline(), null)
})

t.test('who has its time already gets no more, who came meanwhile gets its own', async (t) => {
  const told = relieved()
  told.hear(2000, 'a')
  t.same(told.hear(2100, 'b', { ...takenOut, backup: true }), [], 'nobody came since')
  t.equal(told.deadline(), 2500)
  const wanted = relieved()
  wanted.hear(2000, 'a')
  wanted.hear(2100, 'a', dead)
  t.same(wanted.hear(2200, 'a').slice(0, 2), [
    'end-attempts b active-server-up',
    'end-sessions b active-server-up < 1700',
  ])
  t.same(wanted.wake(2500), ['end-sessions b active-server-up < 2000'])
  t.equal(wanted.deadline(), 2700)
  t.same(wanted.wake(2700), ['end-sessions b active-server-up < 2200'])
  t.equal(wanted.deadline(), null)
})

t.test('a server that dies while logins have their time loses them at once', async (t) => {
  const told = relieved()
  told.hear(2000, 'a')
  t.same(told.hear(2100, 'b', { ...dead, backup: true }), [
    'end-attempts b server-down',
    `end-sessions b server-down < ${everybody}`,
  ])
  t.equal(told.deadline(), null)
})

t.test('single: the writer alone, after those who are logging in at the old one had their time', async (t) => {
  const told = tell(listenerOf({ balance: 'single' }))
  t.equal(told.targets(0), '')
  t.same(told.writer(1, 'a'), [])
  t.equal(told.targets(1), 'a', 'nobody has to be waited for')
  t.same(told.writer(1000, 'b'), ['end-attempts a demoted', 'end-sessions a demoted < 500'])
  t.equal(told.targets(1000), '')
  t.ok(targetsOf(told.plan(), millis(1000)).isHandingOver)
  t.same(told.hear(1200, 'a', { admin: 'drain' }), [], 'a fact gives nobody more time')
  t.same(told.wake(1500), ['end-sessions a demoted < 1000'])
  t.equal(told.targets(1500), 'b')
  t.notOk(targetsOf(told.plan(), millis(1500)).isHandingOver)
  told.hear(1600, 'b', dead)
  t.equal(told.targets(1600), '', 'nobody when the writer cannot')
})

t.test('single: a datapath that sees that nobody is left need not wait', async (t) => {
  const told = tell(listenerOf({ balance: 'single' }))
  told.writer(1, 'a')
  told.writer(1000, 'b')
  told.at(1100, { event: 'emptied', id: 0 })
  t.equal(told.targets(1100), 'b')
  t.equal(told.deadline(), null)
})

t.test('single: a writer that comes back keeps those who are still there', async (t) => {
  const told = tell(listenerOf({ balance: 'single' }))
  told.writer(1, 'a')
  told.writer(1000, 'b')
  t.same(told.writer(1100, 'a'), [])
  t.equal(told.targets(1100), 'a')
  t.equal(told.deadline(), null)
  t.equal(told.writer(1200, 'b').length, 2)
})

t.test('single: a drained writer keeps its sessions until there is another; a replica keeps nobody', async (t) => {
  const told = tell(listenerOf({ balance: 'single' }))
  told.writer(1, 'a')
  t.same(told.hear(1000, 'a', { admin: 'drain' }), [])
  t.same(told.writer(1001, null), [])
  t.same(told.hear(1002, 'a', { admin: 'drain', role: 'replica' }), [
    'end-attempts a demoted',
    `end-sessions a demoted < ${everybody}`,
  ])
  const failing = tell(listenerOf({ balance: 'single' }))
  failing.writer(1, 'a')
  failing.hear(1000, 'a', { admin: 'drain' })
  failing.writer(1001, null)
  t.same(failing.hear(1002, 'a', { ...takenOut, admin: 'drain' }), [
    'end-attempts a server-down',
    'end-sessions a server-down < 502',
  ])
})

t.test('a reload: what stays keeps its sessions under another name, what goes loses them', async (t) => {
  const told = tell(three())
  const renamed = { name: 'z', address: '198.18.1.97:3306' }
  t.same(told.reconfigure(1000, listenerOf({}, [renamed, 'b'])), [
    'end-attempts c server-removed',
    'end-sessions c server-removed < 500',
  ])
  t.equal(told.targets(1000), 'zb')
  t.same(
    told.plan().servers.map(({ id, server }) => `${server}${id}`),
    ['z0', 'b1'],
  )
  t.same(told.wake(1500), ['end-sessions c server-removed < 1000'])
  t.same(told.plan().departed, [])
  told.reconfigure(2000, listenerOf({}, [renamed, 'b', 'c']))
  t.equal(told.targets(2000), 'zb', 'what is new is down until something is heard')
  const ids = told.plan().servers.map(({ id }) => id)
  t.equal(ids.indexOf(2), -1, 'and has no id of another')
})

t.test('a reload with keep ends no session of a server that goes; one without does, then', async (t) => {
  const keep = { on_marked_down: 'keep' }
  const told = tell(three(keep))
  t.same(told.reconfigure(1000, listenerOf(keep)), ['end-attempts c server-removed'])
  t.same(
    told.plan().departed.map(({ server }) => server),
    ['c'],
  )
  t.same(told.reconfigure(2000, listenerOf()), [
    'end-attempts c server-removed',
    'end-sessions c server-removed < 1500',
  ])
  const single = tell(three(keep))
  single.reconfigure(1000, listenerOf(keep))
  t.same(single.reconfigure(2000, listenerOf({ balance: 'single' })), [
    'end-attempts c server-removed',
    `end-sessions c server-removed < ${everybody}`,
  ])
  t.same(single.plan().departed, [])
})

t.test(
  'a server that returns by a reload has the sessions that it kept, and nothing that was known of it',
  async (t) => {
    const keep = { on_marked_down: 'keep' }
    const told = tell(listenerOf(keep))
    told.reconfigure(1000, listenerOf(keep, ['a']))
    told.reconfigure(2000, listenerOf(keep))
    t.equal(told.targets(2000), 'a')
    t.equal(told.plan().servers[1]?.id, 1)
    told.hear(3000, 'b')
    t.equal(told.targets(3000), 'ab')
    told.reconfigure(4000, listenerOf(keep, ['a']))
    told.at(4001, { event: 'emptied', id: 1 })
    t.same(told.plan().departed, [], 'one that keeps nobody is forgotten')
  },
)

t.test('a reload with keep takes back what was to end', async (t) => {
  const told = tell(listenerOf({ shutdown_grace: '3s' }))
  told.hear(1000, 'a', dead)
  told.reconfigure(2000, listenerOf({ on_marked_down: 'keep' }))
  t.equal(told.deadline(), null)
})

t.test('a reload: a writer with another name is the writer; without single there is none', async (t) => {
  const told = tell(listenerOf({ balance: 'single' }))
  told.writer(1, 'a')
  const renamed = [{ name: 'z', address: '198.18.1.97:3306' }, 'b'] as const
  t.same(told.reconfigure(2, listenerOf({ balance: 'single' }, renamed)), [])
  t.equal(told.targets(2), 'z')
  told.reconfigure(3, listenerOf({}, renamed))
  t.equal(told.plan().writer, null)
  t.equal(told.targets(3), 'zb')
  t.same(told.reconfigure(4, listenerOf({ balance: 'single' }, renamed)), [], 'before a writer is known all stay')
  t.equal(told.targets(4), '')
  t.equal(told.writer(5, 'z').length, 2)
})

t.test('sessions from before: they end on a server that is down, and not where nothing is known yet', async (t) => {
  const told = tell(three({ balance: 'single' }), { adopts: true, up: [] })
  t.same(told.hear(1000, 'a'), ['forget-failures a'])
  t.same(told.hear(1001, 'b', dead), ['end-attempts b server-down', `end-sessions b server-down < ${everybody}`])
  t.same(told.writer(1002, 'c').slice(0, 2), ['end-attempts a demoted', 'end-sessions a demoted < 502'])
  t.same(told.hear(1003, 'c'), ['forget-failures c'])
  t.equal(told.targets(1003), '')
  told.wake(1502)
  t.equal(told.targets(1502), 'c')
  const afresh = tell(three(), { up: [] })
  t.same(afresh.hear(1000, 'a', dead), [], 'without them there is nothing to end')
})

t.test('a server that takes sessions again may be tried by those who failed there', async (t) => {
  const told = tell(listenerOf())
  told.hear(1, 'a', { admin: 'drain' })
  t.same(told.hear(2, 'a', { weight: 0 }), [])
  t.same(told.hear(3, 'a'), ['forget-failures a'])
  t.same(told.hear(4, 'a', { weight: 2 }), [])
})

t.test('a server that is back only to be drained keeps what it has, until it dies', async (t) => {
  const told = tell(listenerOf())
  told.hear(1000, 'a', takenOut)
  t.same(told.hear(1100, 'a', { admin: 'drain' }), [])
  t.equal(told.deadline(), null)
  t.same(told.hear(5000, 'a', dead), ['end-attempts a server-down', `end-sessions a server-down < ${everybody}`])
})

t.test('a backup that comes up sends nobody home', async (t) => {
  const told = tell(three({ on_marked_up: 'shutdown_backup_sessions' }), { up: ['b'] })
  told.hear(10, 'b', { backup: true })
  t.same(told.hear(1000, 'c', { backup: true }), ['forget-failures c'])
})

t.test('panic: a threshold above the number of servers is that number', async (t) => {
  const told = tell(listenerOf({ panic_threshold: 5 }))
  told.hear(1, 'b', { backup: true })
  t.equal(told.targets(1), 'a')
})

t.test('single: sessions that a failed server was left with end when there is to be one writer', async (t) => {
  const told = tell(listenerOf({ on_marked_down: 'keep' }))
  told.hear(1000, 'a', dead)
  told.reconfigure(2000, listenerOf({ balance: 'single' }))
  t.same(told.hear(3000, 'b', { weight: 2 }), ['end-attempts a demoted', `end-sessions a demoted < ${everybody}`])
})

t.test('single: a drained writer that nobody uses any more is not waited for', async (t) => {
  const told = tell(listenerOf({ balance: 'single' }))
  told.writer(1, 'a')
  told.hear(1000, 'a', { admin: 'drain' })
  told.writer(1001, null)
  told.at(2000, { event: 'emptied', id: 0 })
  t.same(told.writer(3000, 'b'), [])
  t.equal(told.targets(3000), 'b')
})

t.test('no id is ever used again', async (t) => {
  const told = tell(listenerOf())
  const seen = new Set(told.plan().servers.map(({ id }) => id))
  for (const name of ['c', 'd', 'c', 'd']) {
    told.reconfigure(seen.size * 1000, listenerOf({}, ['a', name]))
    told.wake(seen.size * 1000 + 900)
    const id = told.plan().servers[1]?.id
    t.notOk(seen.has(id ?? 0), `${name} ${id}`)
    seen.add(id ?? 0)
  }
})
