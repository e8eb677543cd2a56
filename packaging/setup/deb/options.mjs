// @ts-check
// What `npm run deb` was asked for, and what it makes of the last commit: version, architecture, time.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

/**
 * @typedef {'amd64' | 'arm64'} Architecture as Debian calls it
 * @typedef {{
 *   readonly version: string,
 *   readonly architecture: Architecture,
 *   readonly out: string,
 *   readonly verify: boolean,
 *   readonly lint: boolean,
 *   readonly fast: boolean,
 * }} DebOptions
 */

export const debUsage = `Usage: npm run deb [-- OPTIONS]
  --version X        build as version X, which dpkg compares; without it: the one of package.json
  --arch ARCH        amd64 or arm64; without it: that of this machine
  --out DIR          where the packages go; without it: debs
  --fast             hardly compressed: for trying and for tests
  --verify           build twice, in different places, and compare every byte
  --no-lint          leave lintian out`

/** @type {Readonly<Record<string, Architecture>>} */
const architectures = { x64: 'amd64', arm64: 'arm64' }

/**
 * The options, or one sentence about what is wrong with them, which is undefined where help was asked for.
 * @param {readonly string[]} args
 * @returns {{ readonly ok: true, readonly options: DebOptions } | { readonly ok: false, readonly text: string | undefined }}
 */
export const parseDebOptions = (args) => {
  /** @type {Record<string, string | boolean | undefined>} */
  let values
  try {
    values = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', default: false },
        version: { type: 'string' },
        arch: { type: 'string' },
        out: { type: 'string', default: 'debs' },
        verify: { type: 'boolean', default: false },
        fast: { type: 'boolean', default: false },
        'no-lint': { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    return { ok: false, text: error instanceof Error ? error.message : String(error) }
  }
  if (values['help'] === true) return { ok: false, text: undefined }
  const version = values['version'] ?? JSON.parse(readFileSync('package.json', 'utf8')).version
  // An upstream version without a revision (deb-version(7)); it becomes a part of file names.
  if (!/^\d[A-Za-z0-9.+~]*$/.test(version)) {
    return {
      ok: false,
      text: `${version} is no version: a digit first, then digits, letters and . + ~, such as 0.2.0~rc1`,
    }
  }
  const architecture = values['arch'] ?? architectures[process.arch]
  if (architecture !== 'amd64' && architecture !== 'arm64') {
    return { ok: false, text: `There are packages for amd64 and arm64, not for ${architecture ?? process.arch}` }
  }
  const { out, verify, fast, 'no-lint': noLint } = values
  return {
    ok: true,
    options: {
      version,
      architecture,
      out: resolve(String(out)),
      verify: verify === true,
      lint: noLint !== true,
      fast: fast === true,
    },
  }
}

/**
 * @param {readonly string[]} args
 * @returns {string | undefined} undefined outside of a repository
 */
const git = (args) => {
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/**
 * What is built, in words, and the time of the last commit in seconds, which becomes that of every file. A tree that was
 * unpacked without its history is as old as SOURCE_DATE_EPOCH says, or as 1 January 2026.
 */
export const sourceState = () => {
  const time = process.env['SOURCE_DATE_EPOCH'] ?? git(['log', '-1', '--format=%ct']) ?? '1767225600'
  const commit = git(['rev-parse', '--short=12', 'HEAD'])
  const isChanged = git(['status', '--porcelain', '--untracked-files=no']) !== ''
  const builtFrom =
    commit === undefined ? 'a tree without history' : `commit ${commit}${isChanged ? ' with changes' : ''}`
  return { time: Number(time), builtFrom }
}
