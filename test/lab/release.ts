// Releases of the balancer side by side: copies of what was built, one of which a link names, as a package puts them in place.

import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { version as ownVersion } from '../../balancer/version.ts'
import { balancerTree } from './programs.ts'

/** A change of one module of a release: what stands there, and what stands there instead. */
export type Patch = { readonly file: string; readonly from: string | RegExp; readonly to: string }

/** The releases below one folder. */
export type Releases = {
  /** What is started: whatever release is in place then. */
  readonly program: string
  /** Puts another release in place, which tells this version. */
  readonly install: (version: string, patches?: readonly Patch[]) => void
}

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Where a module stands: in a file of its own, or, in a bundle, in the one file that has what is to be changed. */
const fileOf = (release: string, module: string, from: string | RegExp): string => {
  const own = join(release, 'balancer', module)
  if (existsSync(own)) return own
  const files = readdirSync(release, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js') && !file.startsWith('node_modules'))
    .map((file) => join(release, file))
  const has = (text: string): boolean => (typeof from === 'string' ? text.includes(from) : from.test(text))
  const found = files.filter((file) => has(readFileSync(file, 'utf8')))
  const [only] = found
  if (only === undefined || found.length > 1) throw new Error(`${from} of ${module} stands in ${found.length} files`)
  return only
}

/** No release is in place before the first `install`. */
export const createReleases = (directory: string): Releases => {
  const place = join(directory, 'current')
  let count = 0
  return {
    program: join(place, 'balancer', 'main.js'),
    install: (version, patches = []) => {
      count += 1
      const release = join(directory, `release-${count}`)
      mkdirSync(release)
      for (const part of ['balancer', 'shared', 'chunks']) {
        const from = join(balancerTree, part)
        if (existsSync(from)) cpSync(from, join(release, part), { recursive: true })
      }
      cpSync(join(root, 'package.json'), join(release, 'package.json'))
      const told = new RegExp(`\\bversion = (['"])${ownVersion}\\1`)
      const all = [{ file: 'version.js', from: told, to: `version = '${version}'` }, ...patches]
      for (const { file, from, to } of all) {
        const path = fileOf(release, file, from)
        const text = readFileSync(path, 'utf8')
        const patched = text.replace(from, to)
        if (patched === text) throw new Error(`nothing to change in ${file}: ${from}`)
        writeFileSync(path, patched)
      }
      symlinkSync(join(root, 'node_modules'), join(release, 'node_modules'))
      const next = join(directory, 'next')
      symlinkSync(release, next)
      renameSync(next, place)
    },
  }
}
