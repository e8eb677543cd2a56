// @ts-check
// The packages that `npm run test:packages` installs: a previous and a current version of the same sources, in debs/test.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { buildPackages } from './deb/build.mjs'

const directory = 'debs/test'
const stampFile = join(directory, 'built-from')

const rooms = ['agent', 'balancer', 'shared', 'packaging']
const files = ['package.json', 'package-lock.json', 'README.md', 'CHANGELOG.md', 'LICENSE']

const sourceDigest = () => {
  const sources = rooms.flatMap((room) =>
    readdirSync(room, { recursive: true, encoding: 'utf8' }).map((file) => join(room, file)),
  )
  const hash = createHash('sha256')
  for (const file of [...sources, ...files].sort()) {
    if (statSync(file).isFile()) hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
  }
  return hash.digest('hex')
}

/** Whether the packages were built from the sources as they are now. */
export const testPackagesAreBuilt = () => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === sourceDigest()

/**
 * What they are built for: this machine.
 * @type {import('./deb/options.mjs').Architecture}
 */
export const testArchitecture = process.arch === 'arm64' ? 'arm64' : 'amd64'

/** Builds both versions. Tests know the files by the packages' names alone. */
export const buildTestPackages = async () => {
  const digest = sourceDigest()
  rmSync(directory, { recursive: true, force: true })
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  const builds = { previous: `${version}~previous`, current: version }
  for (const [name, built] of Object.entries(builds)) {
    const out = join(directory, name)
    mkdirSync(out, { recursive: true })
    const lint = name === 'current'
    await buildPackages({ version: built, architecture: testArchitecture, out, verify: false, lint, fast: true })
    for (const file of readdirSync(out)) renameSync(join(out, file), join(out, basename(file).replace(/_.*/, '.deb')))
    writeFileSync(join(out, 'version'), built)
  }
  writeFileSync(stampFile, digest)
}

const figures = join(directory, 'figures.md')

/** What the tests have measured, for test/bench/README.md; nothing where they have not come so far. */
export const printFigures = () => {
  if (!existsSync(figures)) return
  console.log(`\n${readFileSync(figures, 'utf8').trimEnd()}`)
  rmSync(figures)
}
