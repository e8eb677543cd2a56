// @ts-check
// `npm run deb`: from the tree to two packages, compared with a second build and looked at by lintian where that is wanted.

import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { runStep, StepFailed, watchInterrupts } from '../step.mjs'
import { sourceState } from './options.mjs'
import { stage } from './stage.mjs'
import { inWorkFolder } from './work-folder.mjs'

/** @typedef {import('./options.mjs').DebOptions} DebOptions */

// gzip takes 3 s for what xz takes 60 s for, and makes it half as large again. One thread: more make another file.
const compressions = { fast: '-Zgzip -z1', small: '-Zxz -z6 --threads-max=1' }

/**
 * Builds in a folder of its own, and hands the packages to `use`.
 * @template T
 * @param {DebOptions} options
 * @param {ReturnType<typeof sourceState>} state
 * @param {{ readonly title: string, readonly prefix: string }} attempt
 * @param {(packages: readonly string[]) => T} use
 * @returns {Promise<T>}
 */
const withPackages = (options, state, { title, prefix }, use) =>
  inWorkFolder(tmpdir(), prefix, async (work) => {
    // It was made for its owner alone, and debhelper takes modes over.
    chmodSync(work, 0o755)
    const tree = join(work, `mysql-balancer-${options.version}`)
    await stage(tree, options, state)
    const args = ['--build=binary', '--no-sign', '--no-check-builddeps', `--host-arch=${options.architecture}`]
    const env = {
      SOURCE_DATE_EPOCH: String(state.time),
      DEB_COMPRESSION: options.fast ? compressions.fast : compressions.small,
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
    }
    await runStep(title, 'env', ['-C', tree, 'dpkg-buildpackage', ...args], { env })
    const files = readdirSync(work).filter((file) => file.endsWith('.deb'))
    return use(files.sort().map((file) => join(work, file)))
  })

/**
 * @param {string} file
 */
const digestOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex')

/**
 * Builds once more, under another umask, from another folder and later, and throws `StepFailed` where a byte differs.
 * @param {DebOptions} options
 * @param {ReturnType<typeof sourceState>} state
 * @param {readonly string[]} packages
 */
const verify = async (options, state, packages) => {
  const umask = process.umask(0o077)
  try {
    const title = 'the packages once more, to compare them'
    const other = join(options.out, 'differing')
    rmSync(other, { recursive: true, force: true })
    const differing = await withPackages(options, state, { title, prefix: 'mysql-balancer-deb-once-more-' }, (again) =>
      again.filter((file, i) => {
        if (digestOf(file) === digestOf(packages[i] ?? '')) return false
        mkdirSync(other, { recursive: true })
        copyFileSync(file, join(other, basename(file)))
        return true
      }),
    )
    if (differing.length > 0) {
      const names = differing.map((file) => basename(file)).join(', ')
      throw new StepFailed(`Two builds of the same differ: ${names}. The second ones are in ${other}.`)
    }
    console.log('  Two builds are the same, byte for byte.')
  } finally {
    process.umask(umask)
  }
}

/**
 * Builds both packages, and says where they are.
 * @param {DebOptions} options
 */
export const buildPackages = async (options) => {
  const { architecture, version, out } = options
  const state = sourceState()
  const stopWatching = watchInterrupts()
  try {
    const title = `the packages ${version} for ${architecture}${options.fast ? '' : ' (most of it is xz)'}`
    const packages = await withPackages(options, state, { title, prefix: 'mysql-balancer-deb-' }, (built) => {
      mkdirSync(out, { recursive: true })
      return built.map((file) => {
        const target = join(out, basename(file))
        copyFileSync(file, target)
        return target
      })
    })
    if (options.verify) await verify(options, state, packages)
    if (options.lint) {
      const args = ['--allow-root', '--fail-on', 'error,warning', '--tag-display-limit', '0', ...packages]
      await runStep('lintian', 'lintian', args)
    }
    for (const file of packages) console.log(`${file}  ${(statSync(file).size / 1e6).toFixed(1)} MB`)
  } finally {
    stopWatching()
  }
}
