// What npm run deb builds from, as far as a look at the sources can tell; npm run test:packages installs the packages.

import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { packaged, root } from './keys.ts'

const debian = join(root, 'packaging/debian')
const named = (pattern: RegExp): readonly string[] => readdirSync(debian).filter((file) => pattern.test(file))

/** What an expression over a module of the builder gives; the builder is JavaScript that runs before anything is built. */
const fromBuilder = (module: string, expression: string): unknown => {
  const url = JSON.stringify(new URL(`file://${root}/packaging/setup/deb/${module}`))
  const program = `const m = await import(${url}); console.log(JSON.stringify(${expression}))`
  const { NODE_OPTIONS: _, ...env } = process.env
  const out = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: root, env })
  return JSON.parse(out.toString())
}

t.test('what a program forks or starts as a thread is an entry point of its bundle', async (t) => {
  const programs = z.record(z.string(), z.array(z.string())).parse(fromBuilder('../bundle.mjs', 'm.programs'))
  const found: string[] = []
  for (const [program, entries] of Object.entries(programs)) {
    const sources = readdirSync(join(root, program), { recursive: true, encoding: 'utf8' })
    for (const file of sources.filter((name) => name.endsWith('.ts'))) {
      const source = join(program, file)
      const text = readFileSync(join(root, source), 'utf8')
      const uses = text.match(/import\.meta\.\w+/g)?.length ?? 0
      const modules = [...text.matchAll(/new URL\([`'](\.[^`']+)\.js[`'], import\.meta\.url\)/g)]
      t.equal(uses, modules.length, `${source}: import.meta is used for the place of a module alone`)
      for (const [, path = ''] of modules) {
        const place = relative(root, join(root, dirname(source), path))
        const pattern = new RegExp(`^${place.replace(/\$\{\w+\}/, '\\w+')}\\.ts$`)
        const started = entries.filter((entry) => pattern.test(entry))
        t.not(started.length, 0, `${source} starts ${place}`)
        found.push(...started)
      }
    }
    t.ok(entries.includes(`${program}/main.ts`))
  }
  const beside = Object.values(programs).flat()
  t.same([...found].sort(), beside.filter((entry) => !/^\w+\/main\.ts$/.test(entry)).sort(), 'and nothing else is')
})

t.test(
  'esbuild, Node and the native part of koffi are pinned exactly, and koffi is the one of the programs',
  async (t) => {
    const versions = z.record(z.string(), z.string())
    const own = z.object({ devDependencies: z.object({ esbuild: z.string() }) })
    const manifest = z.object({ optionalDependencies: versions })
    const locked = z.object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) })
    const lock = locked.parse(JSON.parse(readFileSync(join(debian, 'package-lock.json'), 'utf8')))
    const programs = locked.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')))
    const pins = manifest.parse(JSON.parse(readFileSync(join(debian, 'package.json'), 'utf8')))
    const all = Object.entries(pins.optionalDependencies)
    t.ok(all.length >= 3)
    const { esbuild } = own.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))).devDependencies
    t.match(esbuild, /^\d+\.\d+\.\d+$/, 'a range would make other packages of the same sources')
    for (const [name, version] of all) {
      t.match(version, /^\d+\.\d+\.\d+$/, name)
      t.equal(lock.packages[`node_modules/${name}`]?.version, version, name)
      if (name.startsWith('@koromix/')) t.equal(version, programs.packages['node_modules/koffi']?.version)
    }
  },
)

t.test('maintainer scripts are read by sh, end at the first error, and leave room for debhelper', async (t) => {
  const scripts = named(/\.(preinst|postinst|prerm|postrm)$/)
  t.equal(scripts.length, 8)
  for (const name of scripts) {
    const text = readFileSync(join(debian, name), 'utf8')
    t.match(text, /^#!\/bin\/sh\nset -e\n/, name)
    t.match(text, /^#DEBHELPER#$/m, name)
    t.equal(spawnSync('sh', ['-n', join(debian, name)]).status, 0, name)
  }
})

t.test('every override of lintian says why', async (t) => {
  for (const name of named(/\.lintian-overrides$/)) {
    const paragraphs = readFileSync(join(debian, name), 'utf8')
      .trim()
      .split(/\n(?=#)/)
    for (const paragraph of paragraphs) t.match(paragraph, /^# \S.*\n\S+: \S+/, `${name}: ${paragraph}`)
  }
})

t.test('the change log is one that Debian reads, with the version that is built on top', async (t) => {
  const state = JSON.stringify({ time: 1_767_225_600, builtFrom: 'commit 0123456789ab' })
  for (const version of ['0.1.0', '99.0~rc1']) {
    const log = fromBuilder('changelog.mjs', `m.debianChangelog('${version}', 'A B <a@b.invalid>', ${state})`)
    const text = z.string().parse(log)
    t.equal(text.split('\n')[0], `mysql-balancer (${version}) unstable; urgency=medium`)
    t.same(
      text.split('\n').filter((line) => line.length > 80),
      [],
    )
    t.match(text, /\(0\.1\.0\) unstable/)
    t.match(text, /^ -- A B <a@b\.invalid> {2}Thu, 01 Jan 2026 00:00:00 \+0000$/m)
  }
})

t.test(
  'a bundled package stands in the bill of materials with its hash, and in the copyright file with its licence',
  async (t) => {
    const component = fromBuilder('components.mjs', `m.npmComponentsOf(['node_modules/yaml/dist/index.js'])`)
    const [yaml] = z.array(z.object({ version: z.string(), integrity: z.string(), text: z.string() })).parse(component)
    const subject = JSON.stringify({ name: 'mysql-balancer', version: '1.0', architecture: 'amd64', time: 0 })
    const bill = fromBuilder('sbom.mjs', `JSON.parse(m.billOfMaterials(${subject}, ${JSON.stringify(component)}))`)
    const content = Buffer.from(yaml?.integrity.replace('sha512-', '') ?? '', 'base64').toString('hex')
    t.match(bill, {
      bomFormat: 'CycloneDX',
      serialNumber: /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
      metadata: { component: { purl: 'pkg:deb/mysql-balancer@1.0?arch=amd64' } },
      components: [{ purl: `pkg:npm/yaml@${yaml?.version}`, hashes: [{ alg: 'SHA-512', content }] }],
    })
    const copyright = z.string().parse(fromBuilder('copyright.mjs', `m.copyrightFile(${JSON.stringify(component)})`))
    t.match(copyright, /^Files: node_modules\/yaml\/\*\nCopyright: Eemeli Aro .*\nLicense: ISC\n Copyright Eemeli Aro/m)
  },
)

t.test('a wrong option is told before anything is put in place', async (t) => {
  const { NODE_OPTIONS: _, ...env } = process.env
  const ask = (...words: readonly string[]) =>
    spawnSync(process.execPath, [join(root, 'packaging/setup/main.mjs'), 'deb', ...words], { env, encoding: 'utf8' })
  t.match(ask('--arch', 'mips'), { status: 2, stderr: /^There are packages for amd64 and arm64, not for mips\nUsage:/ })
  t.match(ask('--version', '1.0-1'), { status: 2, stderr: /^1\.0-1 is no version/ })
})

t.test('the packages bring the completion, the schema and the examples that the man pages name', async (t) => {
  for (const name of ['mysqlchk-agent', 'mysql-balancer']) {
    const listed = ['install', 'manpages', 'examples'].flatMap((kind) =>
      packaged(`debian/${name}.${kind}`)
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0] ?? ''),
    )
    for (const file of listed.filter((path) => path.startsWith('packaging/'))) {
      t.ok(readdirSync(join(root, dirname(file))).includes(file.replace(/.*\//, '')), file)
    }
    for (const part of [
      'packaging/completion/',
      'packaging/schema/',
      'packaging/man/',
      'packaging/examples/own-hosts',
    ]) {
      t.ok(
        listed.some((path) => path.startsWith(part)),
        `${name}: ${part}`,
      )
    }
  }
})
