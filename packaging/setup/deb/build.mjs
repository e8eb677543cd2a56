// @ts-check
// `npm run deb`: from the tree to two packages.

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runStep } from '../step.mjs'
import { sourceState } from './options.mjs'
import { stage } from './stage.mjs'

/** @typedef {import('./options.mjs').DebOptions} DebOptions */

/**
 * Builds in a folder of its own and puts the packages into `out`.
 * @param {DebOptions} options
 * @param {string} out
 */
const buildInto = async (options, out) => {
  const state = sourceState()
  const work = mkdtempSync(join(tmpdir(), 'mysql-balancer-deb-'))
  try {
    const tree = join(work, `mysql-balancer-${options.version}`)
    await stage(tree, options, state)
    const args = ['--build=binary', '--no-sign', '--no-check-builddeps', `--host-arch=${options.architecture}`]
    // gzip takes 3 s for what xz takes 90 s for, and makes it half as large again.
    const compression = options.fast ? '-Zgzip -z1' : '-Zxz -z6 --threads-max=1'
    const env = { DEB_COMPRESSION: compression, SOURCE_DATE_EPOCH: String(state.time), LC_ALL: 'C.UTF-8', TZ: 'UTC' }
    await runStep('the packages (debhelper)', 'env', ['-C', tree, 'dpkg-buildpackage', ...args], { env })
    mkdirSync(out, { recursive: true })
    const packages = readdirSync(work).filter((file) => file.endsWith('.deb'))
    for (const file of packages) copyFileSync(join(work, file), join(out, file))
    return packages.sort().map((file) => join(out, file))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/**
 * Builds both packages and says where they are.
 * @param {DebOptions} options
 */
export const buildPackages = async (options) => {
  for (const file of await buildInto(options, options.out)) {
    console.log(`${file}  ${(statSync(file).size / 1e6).toFixed(1)} MB`)
  }
}
