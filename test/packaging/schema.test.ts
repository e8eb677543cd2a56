import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { z } from 'zod'
import { agentSchema } from '../../agent/config/schema.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { jsonSchemas } from './json-schema.ts'
import { packaged, root, uncommented } from './keys.ts'
import { metricsDocs } from './metrics-docs.ts'

type Node = z.core.JSONSchema.BaseSchema

const stored = (name: string) => {
  const schema: Node = JSON.parse(packaged(`schema/${name}.schema.json`))
  return { schema, accepts: (value: unknown): boolean => z.fromJSONSchema(schema).safeParse(value).success }
}
const [agent, balancer] = [stored('agent'), stored('balancer')]

/** The example with another value under a path. */
const balancerWith = (path: readonly (string | number)[], value: unknown): unknown => {
  const config: unknown = parse(packaged('examples/balancer.yaml'))
  const last = path.at(-1)
  const parent = path.slice(0, -1).reduce<unknown>((part, key) => Reflect.get(Object(part), key), config)
  if (last !== undefined) Reflect.set(Object(parent), last, value)
  return config
}
const instance = ['vrrp', 'instances', 0] as const
const listener = ['listeners', 0] as const

t.test('the stored schemas are those of the sources; npm run schema makes them anew', async (t) => {
  for (const [file, made] of jsonSchemas()) t.same(JSON.parse(packaged(file)), JSON.parse(JSON.stringify(made)), file)
})

t.test('so are the tables of metrics', async (t) => {
  for (const [file, text] of await metricsDocs()) {
    t.equal(readFileSync(join(root, file), 'utf8'), text, `${file}: npm run schema makes it anew`)
    t.ok(text.split('\n').length > 15)
  }
})

t.test('they take the examples', async (t) => {
  t.ok(agent.accepts(parse(packaged('examples/agent.yaml'))))
  for (const text of [packaged('examples/balancer.yaml'), uncommented(packaged('examples/balancer.yaml'))]) {
    t.ok(balancer.accepts(parse(text)))
  }
})

t.test('they take all forms that the daemons take', async (t) => {
  const forms: readonly (readonly [readonly (string | number)[], unknown])[] = [
    [
      [...instance, 'virtual_addresses'],
      ['10.0.0.1', '2001:db8::1/64', { address: '64:ff9b::10.0.0.1/128' }],
    ],
    [[...instance, 'track'], { serving: false, interfaces: ['eth1'], scripts: ['a'], files: ['b'], processes: ['c'] }],
    [[...instance, 'track'], { serving: { weight: -50 }, interfaces: [{ interface: 'eth1', weight: -5 }] }],
    [[...instance, 'notify'], { master: '/bin/true', any: ['/bin/true', 'x'], user: 'Root$' }],
    [[...instance, 'preempt_delay'], '0.01h'],
    [['vrrp', 'webhooks'], [{ url: ' HTTPS://höst.example/ä b ', headers: { 'X-~': '\t' } }]],
    [
      [...listener, 'bind'],
      ['10.0.0.1:1', '0.0.0.0:65535'],
    ],
    [[...listener, 'check'], {}],
    [[...listener, 'check'], { path: '/primary', fast_interval: '50ms' }],
    [
      [...listener, 'check'],
      [{}, { type: 'tcp' }, { type: 'icmp', rise: 1 }, { type: 'mysql', user: 'u' }],
    ],
    [[...listener, 'check'], { expect: { status: 200 } }],
    [[...listener, 'check'], { expect: { status: ' 200-299 , 404 ' } }],
    [[...listener, 'check'], { expect: { status: [200, '300-399'] } }],
    [[...listener, 'check'], { expect: { body_matches: '\\-[a]' } }],
    [['admin', 'http', 'bind'], '10.0.0.1:8888'],
    [['log', 'syslog'], '127.0.0.1:514'],
    [['log', 'syslog'], '/dev/log'],
  ]
  for (const [path, value] of forms) {
    const config = balancerWith(path, value)
    const shown = `${path.join('.')}: ${JSON.stringify(value)}`
    t.ok(balancerSchema.safeParse(config).success, `${shown}, the daemon`)
    t.ok(balancer.accepts(config), `${shown}, the schema`)
  }
  for (const config of [
    {},
    {
      listen: { address: 'fe80::1%eth0' },
      agent_check: null,
      access: { allow: ['::1', '10.0.0.0/0', 'fe80::%e-0.1/10'] },
    },
    { check: { expect: null, disk: {}, heartbeat: null, connections: { min_free: '0.125%' }, max_age: '0ms' } },
  ]) {
    t.ok(agentSchema.safeParse(config).success, `${JSON.stringify(config)}, the daemon`)
    t.ok(agent.accepts(config), `${JSON.stringify(config)}, the schema`)
  }
})

t.test('they refuse mistakes, and what comes with later versions', async (t) => {
  const mistakes: readonly (readonly [readonly (string | number)[], unknown])[] = [
    [['session_sync'], {}],
    [['log', 'syslog'], 'localhost:514'],
    [[...listener, 'datapath'], 'netmap'],
    [[...listener, 'balanse'], 'first'],
    [[...listener, 'timeouts'], { connect: 5 }],
    [[...listener, 'timeouts'], { connect: '5 s' }],
    [[...listener, 'check'], { type: 'tcp', path: '/' }],
    [[...listener, 'servers', 0, 'address'], 'db1:3306'],
    [[...instance, 'priority'], 256],
    [[...instance, 'virtual_addresses'], [{ adress: '10.0.0.1' }]],
  ]
  for (const [path, value] of mistakes) t.notOk(balancer.accepts(balancerWith(path, value)), path.join('.'))
  for (const config of [{ check: { timeout: 1 } }, { listen: { prot: 9222 } }, { check: { disk: { min_free: 5 } } }]) {
    t.notOk(agent.accepts(config), JSON.stringify(config))
  }
})

/** What an unwritten key is, in the words of the man pages. */
const defaultText = (value: unknown): string =>
  value === null ? 'none' : value === '' ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value)

/** What the words of a schema and its shape say differently, and objects that would take unknown keys. */
const contradictions = (schema: Node, above = ''): readonly string[] => {
  const { properties, required = [], items, anyOf = [], oneOf = [] } = schema
  const parts = [...anyOf, ...oneOf, items].filter(
    (part): part is Node => typeof part === 'object' && !Array.isArray(part),
  )
  const open = properties !== undefined && schema.additionalProperties !== false ? [`${above} is open`] : []
  const own = Object.entries(properties ?? {}).flatMap(([key, value]) => {
    if (typeof value !== 'object') return []
    const [place, words] = [`${above}.${key}`, value.description ?? '']
    const isSection = value.type === 'object' || value.const !== undefined || Array.isArray(value.anyOf?.[0]?.oneOf)
    const wanted = required.includes(key) ? 'Has to be given' : `Default: ${defaultText(value.default)}`
    const isSaid = isSection || (value.default === undefined && !required.includes(key)) || words.includes(wanted)
    return [
      ...(words === '' && !isSection ? [`${place} has no words`] : []),
      ...(isSaid ? [] : [`${place}: ${wanted}`]),
      ...contradictions(value, place),
    ]
  })
  return [...open, ...parts.flatMap((part) => contradictions(part, above)), ...own]
}

t.test('the man pages tell the defaults of the schemas, and what has to be given', async (t) => {
  t.same([...contradictions(agent.schema, 'agent'), ...contradictions(balancer.schema, 'balancer')], [])
})

t.test('the man pages are formatted without a warning', async (t) => {
  for (const page of ['balancer.8', 'balancer.yaml.5', 'mysqlchk-agent.8', 'mysqlchk-agent.yaml.5']) {
    const { stderr, status } = spawnSync('groff', ['-man', '-ww', '-z', join(root, 'packaging/man', page)], {
      encoding: 'utf8',
    })
    t.same([status, stderr], [0, ''], page)
  }
})
