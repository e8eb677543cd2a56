// Releases of the balancer side by side: copies of what was built, one of which a link names, as a package puts them in place.

import { cpSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A change of one file of a release: what stands there, and what stands there instead. */
export type Patch = { readonly file: string; readonly from: string | RegExp; readonly to: string }

/** The releases below one folder. */
export type Releases = {
  /** What is started: whatever release is in place then. */
  readonly program: string
  /** Puts another release in place, which tells this version. */
  readonly install: (version: string, patches?: readonly Patch[]) => void
}

const built = fileURLToPath(new URL('../../', import.meta.url))
const root = fileURLToPath(new URL('../../../', import.meta.url))

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
      for (const part of ['balancer', 'shared']) cpSync(join(built, part), join(release, part), { recursive: true })
      cpSync(join(root, 'package.json'), join(release, 'package.json'))
      symlinkSync(join(root, 'node_modules'), join(release, 'node_modules'))
      const all = [{ file: 'version.js', from: /'[^']*'/, to: `'${version}'` }, ...patches]
      for (const { file, from, to } of all) {
        const path = join(release, 'balancer', file)
        const text = readFileSync(path, 'utf8')
        const patched = text.replace(from, to)
        if (patched === text) throw new Error(`nothing to change in ${file}: ${from}`)
        writeFileSync(path, patched)
      }
      const next = join(directory, 'next')
      symlinkSync(release, next)
      renameSync(next, place)
    },
  }
}
