// @ts-check
// The build: whether dist was made from these very sources, and making it anew if not.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundle, programs } from './bundle.mjs'
import { runStep } from './step.mjs'

const rooms = ['agent', 'balancer', 'shared', 'test']
const settings = ['tsconfig.json', 'package-lock.json', 'packaging/setup/bundle.mjs']
const stampFile = 'dist/.built-from'

const sourceDigest = () => {
  const sources = rooms
    .filter((room) => existsSync(room))
    .flatMap((room) => readdirSync(room, { recursive: true, encoding: 'utf8' }).map((file) => join(room, file)))
    .filter((file) => file.endsWith('.ts'))
    .sort()
  const hash = createHash('sha256')
  for (const file of [...sources, ...settings]) hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
  return hash.digest('hex')
}

/** Whether dist was built from the sources as they are now. */
export const isBuilt = () => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === sourceDigest()

/**
 * Builds dist from nothing, so that no file stays whose source is gone; the bundles last, for labs take one that is newer than all
 * modules of its program.
 */
export const build = async () => {
  const digest = sourceDigest()
  rmSync('dist', { recursive: true, force: true })
  await runStep('the build (tsc)', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])
  for (const [name, entryPoints] of Object.entries(programs)) {
    await bundle(entryPoints, join('dist/programs', name), 'node20', {})
  }
  writeFileSync(stampFile, digest)
}
