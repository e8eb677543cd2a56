import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { version as agentVersion } from '../agent/version.ts'
import { version as balancerVersion } from '../balancer/version.ts'

t.setTimeout(300_000)

const root = fileURLToPath(new URL('../..', import.meta.url))
const houses = ['agent', 'balancer', 'shared']
const rooms = ['vrrp', 'health', 'datapath', 'admin', 'peers']
const nativePackages = ['koffi', 'netlink', 'raw-socket']
/** A core may use what computes without touching the world. */
const purePackages = ['fastest-levenshtein', 'zod']

type Import = { readonly from: string; readonly to: string }

const sources = houses.flatMap((house) =>
  readdirSync(join(root, house), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => join(house, file)),
)

const imports: readonly Import[] = sources.flatMap((from) => {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, from), 'utf8'))
  return importedFiles.map(({ fileName }) => {
    const to = fileName.startsWith('.') ? relative(root, resolve(root, dirname(from), fileName)) : fileName
    return { from, to }
  })
})

const isCore = (file: string): boolean => file.split('/').includes('core')
const roomOf = (file: string): string | undefined => {
  const [house, room = ''] = file.split('/')
  return house === 'balancer' && rooms.includes(room) ? room : undefined
}
const breaking = (rule: (edge: Import) => boolean): readonly string[] =>
  imports.filter(rule).map(({ from, to }) => `${from} imports ${to}`)

t.test('the walk sees the whole house', async (t) => {
  t.ok(sources.length > 50, `${sources.length} files`)
  t.ok(
    imports.some(({ from, to }) => from === 'balancer/commands/run.ts' && to === 'balancer/supervisor/supervisor.ts'),
  )
  t.ok(imports.some(({ from, to }) => isCore(from) && to === 'shared/reason.ts'))
})

t.test('the two daemons share shared/ and nothing else', async (t) => {
  t.same(
    breaking(({ from, to }) => from.startsWith('agent/') && to.startsWith('balancer/')),
    [],
  )
  t.same(
    breaking(({ from, to }) => from.startsWith('balancer/') && to.startsWith('agent/')),
    [],
  )
  t.same(
    breaking(({ from, to }) => from.startsWith('shared/') && !to.startsWith('shared/') && to !== 'zod'),
    [],
  )
})

t.test('programs never import tests', async (t) => {
  t.same(
    breaking(({ to }) => to.startsWith('test/')),
    [],
  )
})

t.test('the rooms of the balancer do not import each other, the supervisor or the wiring', async (t) => {
  const foreign = (from: string, to: string): boolean =>
    (roomOf(to) !== undefined && roomOf(to) !== roomOf(from)) || /^balancer\/(main|supervisor)\b/.test(to)
  t.same(
    breaking(({ from, to }) => roomOf(from) !== undefined && foreign(from, to)),
    [],
  )
  t.same(
    breaking(({ from, to }) => /^balancer\/(os|notify)\//.test(from) && roomOf(to) !== undefined),
    [],
  )
})

t.test('a core imports only cores and shared/', async (t) => {
  const allowed = (to: string): boolean => isCore(to) || to.startsWith('shared/') || purePackages.includes(to)
  // Types of the configuration are values once parsed; their file runs nothing but the schema.
  const typesOnly = (from: string, to: string): boolean =>
    to === 'balancer/config/schema.ts' && typeImportsOnly(from, 'config/schema.ts')
  t.same(
    breaking(({ from, to }) => isCore(from) && !allowed(to) && !typesOnly(from, to)),
    [],
  )
})

t.test('each native package is touched by the os/ of a daemon alone, and by one file there', async (t) => {
  for (const name of nativePackages) {
    const users = new Set(imports.filter(({ to }) => to === name || to.startsWith(`${name}/`)).map(({ from }) => from))
    t.not(users.size, 0, name)
    t.equal(new Set([...users].map((file) => file.replace(/[^/]*$/, ''))).size, users.size, [...users].join(', '))
    for (const file of users) t.match(file, /^(agent|balancer)\/os\//)
  }
})

/** What a process loads when it starts: its modules and its packages, as far as imports say it that are neither types nor in a function. */
const loadedBy = (entry: string): ReadonlySet<string> => {
  const loaded = new Set([entry])
  for (const from of loaded) {
    if (!from.endsWith('.ts')) continue
    const statements = ts.createSourceFile(
      from,
      readFileSync(join(root, from), 'utf8'),
      ts.ScriptTarget.Latest,
    ).statements
    for (const one of statements) {
      const isOfTypes =
        (ts.isImportDeclaration(one) && one.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) ||
        (ts.isExportDeclaration(one) && one.isTypeOnly)
      if (isOfTypes || !(ts.isImportDeclaration(one) || ts.isExportDeclaration(one))) continue
      const name =
        one.moduleSpecifier !== undefined && ts.isStringLiteral(one.moduleSpecifier)
          ? one.moduleSpecifier.text
          : 'node:'
      if (!name.startsWith('node:')) loaded.add(name.startsWith('.') ? join(dirname(from), name) : name)
    }
  }
  return loaded
}

/**
 * Packages and rooms that a process has. Each start reads and compiles them before it does its work; after a crash of the vrrp process
 * other routers wait for no longer than three advertisements.
 */
const needs: Readonly<Record<string, { readonly packages: readonly string[]; readonly rooms: readonly string[] }>> = {
  'main/vrrp': { packages: ['koffi', 'netlink', 'pino', 'raw-socket', 'zod'], rooms: ['vrrp'] },
  'main/proxy': { packages: ['koffi', 'netlink', 'pino', 're2js', 'zod'], rooms: ['datapath'] },
  'main/kernel': {
    packages: ['koffi', 'netlink', 'pino', 'raw-socket', 'zod'],
    rooms: ['datapath', 'peers', 'vrrp'],
  },
  'main/director': {
    packages: [
      'fastest-levenshtein',
      'koffi',
      'netlink',
      'pino',
      'prom-client',
      'raw-socket',
      're2js',
      'undici',
      'zod',
    ],
    rooms: ['admin', 'health'],
  },
  'commands/run': {
    packages: ['fastest-levenshtein', 'koffi', 'pino', 're2js', 'yaml', 'zod'],
    rooms: ['admin', 'datapath'],
  },
  'commands/runtime': { packages: ['yaml'], rooms: ['admin'] },
}
for (const [entry, { packages, rooms }] of Object.entries(needs)) {
  t.test(`${entry} loads what it needs when it starts, and no more`, async (t) => {
    const loaded = [...loadedBy(`balancer/${entry}.ts`)]
    const foreign = loaded.filter((name) => !name.endsWith('.ts')).map((name) => name.split('/')[0] ?? '')
    t.same([...new Set(foreign)].sort(), packages)
    const visited = loaded.flatMap((name) => roomOf(name) ?? [])
    t.same([...new Set(visited)].sort(), rooms)
  })
}

t.test('bundles have what is asked of a package, and nothing else of it', async (t) => {
  const having = (part: RegExp): readonly string[] =>
    sources.filter((file) => part.test(readFileSync(join(root, file), 'utf8')))
  t.same(having(/[^.]import \{ z \} from 'zod'/), [], 'the words of zod in all languages come with it')
  t.same(having(/\bimport\('[^.]/), [], 'what a package exports has no names where it is imported so')
})

t.test('no file is two ideas: none is longer than 400 lines', async (t) => {
  const long = sources.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 400)
  t.same(long, [])
})

t.test('both daemons tell the version of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.equal(agentVersion, version)
  t.equal(balancerVersion, version)
})

const typeImportsOnly = (file: string, target: string): boolean =>
  readFileSync(join(root, file), 'utf8')
    .split('\n')
    .filter((line) => line.includes(target))
    .every((line) => line.startsWith('import type '))
