import t from 'tap'
import { watchOwnAnswers } from '../../../balancer/main/own-answers.ts'
import { ownAnswers, ownAnswersToCome } from '../../../balancer/pool/core/own-answers.ts'

const bind = [
  { address: '198.18.0.100', port: 3306 },
  { address: 'fd00::7', port: 3306 },
]

t.test('a server that has the address of a listener in the kernel is told of', async (t) => {
  const of = (datapath: string, answersFor?: readonly string[]) => ownAnswers({ datapath, bind }, 'db1', answersFor)
  t.equal(of('kernel'), null)
  t.equal(of('kernel', ['198.18.0.101']), null, 'another address')
  t.same(of('kernel', ['198.18.0.100', '198.18.0.101']), {
    server: 'db1',
    text: 'has 198.18.0.100 itself, as datapath: direct wants it, and answers no client of datapath: kernel: run systemctl disable --now mysqlchk-agent-direct-return there',
  })
  t.match(of('kernel', ['198.18.0.100', 'fd00::7'])?.text, /^has 198\.18\.0\.100 and fd00::7 itself/)
  for (const datapath of ['direct', 'userspace']) t.equal(of(datapath, ['198.18.0.100']), null, datapath)
})

t.test('before a reload those are told of that are up with datapath: direct', async (t) => {
  const running = [
    {
      datapath: 'direct',
      binds: [{ address: '198.18.0.100:3306' }, { address: '[fd00::7]:3306' }],
      servers: [
        { name: 'db1', address: '198.18.0.11:3306', up: true },
        { name: 'db2', address: '198.18.0.12:3306', up: false },
        { name: 'db3', address: '[fd00::13]:3306', up: true },
        { name: 'db4', address: '198.18.0.14:3306', up: true },
      ],
    },
  ]
  const servers = ['198.18.0.11:3307', '198.18.0.12:3306', '[fd00::13]:3306']
  const next = { name: 'mysql', datapath: 'kernel', bind: bind.slice(0, 1), servers }
  t.equal(
    ownAnswersToCome(next, running),
    'listener mysql: each of db1, db3 has 198.18.0.100 itself, as datapath: direct wants it, and answers no client of datapath: kernel: with the reload, run systemctl disable --now mysqlchk-agent-direct-return on each',
  )
  t.match(ownAnswersToCome({ ...next, bind }, running), /has 198\.18\.0\.100 and fd00::7 itself/)
  t.equal(ownAnswersToCome({ ...next, datapath: 'userspace' }, running), null)
  t.equal(
    ownAnswersToCome({ ...next, servers: ['198.18.0.12:3306'] }, running),
    null,
    'who is down may not be prepared',
  )
  t.equal(ownAnswersToCome({ ...next, bind: [{ address: '198.18.0.101', port: 3306 }] }, running), null)
  t.equal(ownAnswersToCome(next, [{ ...running[0], datapath: 'kernel' } as (typeof running)[0]]), null)
})

t.test('the log tells of it once, and when it is over', async (t) => {
  const lines: string[] = []
  let datapath = 'direct'
  const listeners = () => [{ name: 'mysql', datapath, bind }]
  const hear = watchOwnAnswers(listeners, (_, { level, text }) => lines.push(`${level} ${text.slice(0, 33)}`))
  const fact = { listener: 'mysql', server: 'db1', answersFor: ['198.18.0.100'] }
  hear({ listener: 'mysql', server: 'db2' })
  hear(fact)
  t.same(lines, [])
  datapath = 'kernel'
  hear(fact)
  hear(fact)
  hear({ ...fact, listener: 'gone' })
  t.same(lines, ['warn Server mysql/db1 has 198.18.0.100'])
  hear({ listener: 'mysql', server: 'db1' })
  hear({ listener: 'mysql', server: 'db1' })
  t.same(lines.slice(1), ['info Server mysql/db1 has no address o'])
})
