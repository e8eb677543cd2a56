import t from 'tap'
import { checkWarnings, demandWarnings } from '../../../balancer/config/demand.ts'
import { listenerSchema } from '../../../balancer/config/listener-schema.ts'
import {
  type HostLimits,
  isBarred,
  shortageOf,
  shortageReason,
  shortages,
  shortageText,
} from '../../../balancer/core/shortage.ts'

const limits: HostLimits = {
  ports: 60,
  portRange: '40000 40059',
  descriptors: 300,
  systemDescriptors: 5000,
  trackedConnections: { count: 65_536, most: 65_536 },
}

t.test('what the system says this host ran out of, and what it says of servers and ways', async (t) => {
  const codes = {
    EADDRNOTAVAIL: 'ports',
    EAGAIN: 'ports',
    EMFILE: 'descriptors',
    ENFILE: 'system-descriptors',
    ENOBUFS: 'memory',
    ENOMEM: 'memory',
  }
  for (const [code, shortage] of Object.entries(codes)) t.equal(shortageOf(code), shortage, code)
  for (const code of ['ECONNREFUSED', 'ETIMEDOUT', 'ECONNRESET', 'EHOSTUNREACH', 'timeout']) {
    t.notOk(shortageOf(code) ?? isBarred(code), code)
  }
  for (const code of ['ENETUNREACH', 'EPERM', 'EACCES', 'EINVAL']) t.ok(isBarred(code), code)
  t.equal(shortageReason('ports'), 'out-of-ports')
})

t.test('each shortage tells how much there is and what to set', async (t) => {
  const told = Object.fromEntries(shortages.map((shortage) => [shortage, shortageText(shortage, limits)]))
  t.match(told, {
    ports: /has 60 .*ip_local_port_range = 40000 40059.*tcp_tw_reuse = 1/,
    descriptors: /300 open; set LimitNOFILE/,
    'system-descriptors': /5000 open; set fs\.file-max/,
    memory: /net\.ipv4\.tcp_mem/,
    'connection-tracking': /65536 of 65536.*nf_conntrack_max/,
  })
})

const listener = (keys: object) =>
  listenerSchema.parse({
    name: 'mysql',
    bind: '127.0.0.1:1',
    servers: [{ name: 'db', address: '198.18.0.11:3306' }],
    ...keys,
  })

t.test(
  'max_connections that this host cannot have is said: three files a client, and ports to one server',
  async (t) => {
    const warnings = demandWarnings([listener({ max_connections: 70 })], limits)
    t.match(warnings, [
      /may need 310 open files.*may have 300.*LimitNOFILE=310/,
      /allows 70 sessions to 198.18.0.11:3306/,
    ])
    t.same(demandWarnings([listener({ max_connections: 60 })], limits), [])
    const two = [listener({ max_connections: 40 }), listener({ name: 'other', max_connections: 30 })]
    t.match(demandWarnings(two, { ...limits, descriptors: 1000 }), [/allows 70 sessions/], 'of all listeners together')
    const bounded = listener({
      max_connections: 70,
      servers: [{ name: 'db', address: '198.18.0.11:3306', max_connections: 50 }],
    })
    t.same(demandWarnings([bounded], { ...limits, descriptors: Number.POSITIVE_INFINITY }), [])
  },
)

t.test('a kernel listener needs no files, but tracked connections and ports of each virtual address', async (t) => {
  const kernel = (keys: object) => listener({ datapath: 'kernel', bind: '198.18.0.100:3306', ...keys })
  t.same(demandWarnings([kernel({ max_connections: 65_536 - 1024 })], { ...limits, descriptors: 10 }), [])
  const tracked = { ...limits, trackedConnections: { count: 0, most: 65_536 } }
  t.match(
    demandWarnings(
      [kernel({ max_connections: 60_000 }), kernel({ max_connections: 6000, bind: '198.18.0.101:1' })],
      tracked,
    ),
    [
      /datapath: kernel allows 66000 sessions together, and this host tracks 65536 .*nf_conntrack_max = 132000 \(about 53 MB\)/,
    ],
  )
  const more = { max_connections: 70_000 }
  t.match(demandWarnings([kernel(more)], { ...limits, trackedConnections: null }), [
    /allows 70000 sessions to 198\.18\.0\.11:3306 from 198\.18\.0\.100, and the kernel has 64512 ports/,
  ])
})

t.test('a check that breaks off its login is said to get this host blocked, and when', async (t) => {
  t.match(checkWarnings([listener({ check: { type: 'mysql', interval: '2s' } })]), [/blocks this host after 200 s/])
  const others = [{ type: 'mysql', user: 'u', password_file: '/p' }, { type: 'tcp' }, { type: 'icmp' }, {}]
  t.same(checkWarnings([listener({ check: others })]), [])
})
