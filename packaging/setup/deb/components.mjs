// @ts-check
// The software of others in a package: name, version and licence of each, for the bill of materials and the copyright file.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { koffiDirectory, nodeDirectory } from './tools.mjs'

/**
 * `licence` as SPDX calls it, `text` with the names of its holders, `source` where it is in the tree that is built from,
 * `integrity` as the lockfile has it, `bundles` what is inside of it in turn.
 * @typedef {{
 *   readonly name: string,
 *   readonly version: string,
 *   readonly licence: string,
 *   readonly text: string,
 *   readonly source: string,
 *   readonly integrity: string | undefined,
 *   readonly bundles: readonly { readonly name: string, readonly version: string }[],
 * }} Component
 */

/**
 * @param {string} file
 * @param {string} path
 * @returns {string | undefined}
 */
const lockedIntegrity = (file, path) => JSON.parse(readFileSync(file, 'utf8')).packages[path]?.integrity

/**
 * The licence as the package has it; raw-socket has it at the end of its README, and koffi's native part in koffi.
 * @param {string} directory
 */
const licenceText = (directory) => {
  const file = readdirSync(directory).find((name) => /^licen[cs]e(\.|$)/i.test(name))
  if (file !== undefined) return readFileSync(join(directory, file), 'utf8')
  if (/@koromix\/koffi-/.test(directory)) return licenceText('node_modules/koffi')
  const [, text] = readFileSync(join(directory, 'README.md'), 'utf8').split(/^# License$/m)
  if (text === undefined) throw new Error(`${directory} has no licence text; a package needs it`)
  return text
}

/**
 * @param {string} directory
 * @param {string} [path] in the lockfile
 * @returns {Component}
 */
export const npmComponent = (directory, path = directory) => {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const integrity = lockedIntegrity('package-lock.json', path)
  return { name, version, licence: license, text: licenceText(directory), source: path, integrity, bundles: [] }
}

/**
 * koffi's native part, which the lockfile has for every architecture.
 * @param {import('./options.mjs').Architecture} architecture
 */
export const koffiComponent = (architecture) => {
  const directory = koffiDirectory(architecture)
  return npmComponent(directory, directory.replace(/^.*(?=node_modules)/, ''))
}

/**
 * The packages that these files of node_modules belong to.
 * @param {readonly string[]} files
 */
export const npmComponentsOf = (files) => {
  const directories = files.flatMap((file) => file.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/) ?? [])
  return [...new Set(directories)].sort().map((directory) => npmComponent(directory))
}

/** Libraries inside of Node whose versions its headers tell. */
const insideNode = [
  {
    name: 'openssl',
    header: 'openssl/opensslv.h',
    pattern: /OPENSSL_FULL_VERSION_STR "([^"]+)"|OPENSSL_VERSION_STR "([^"]+)"/,
  },
  { name: 'zlib', header: 'zlib.h', pattern: /#define ZLIB_VERSION "([^"]+)"/ },
  {
    name: 'v8',
    header: 'v8-version.h',
    pattern:
      /V8_MAJOR_VERSION (\d+)[\s\S]*?V8_MINOR_VERSION (\d+)[\s\S]*?V8_BUILD_NUMBER (\d+)[\s\S]*?V8_PATCH_LEVEL (\d+)/,
  },
  {
    name: 'libuv',
    header: 'uv/version.h',
    pattern: /UV_VERSION_MAJOR (\d+)[\s\S]*?UV_VERSION_MINOR (\d+)[\s\S]*?UV_VERSION_PATCH (\d+)/,
  },
]

/**
 * The Node inside, with the libraries inside of it.
 * @param {import('./options.mjs').Architecture} architecture
 * @returns {Component}
 */
export const nodeComponent = (architecture) => {
  const directory = nodeDirectory(architecture)
  const { name, version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const bundles = insideNode.flatMap(({ name: library, header, pattern }) => {
    const file = join(directory, 'include/node', header)
    const parts = existsSync(file) ? readFileSync(file, 'utf8').match(pattern) : null
    return parts === null ? [] : [{ name: library, version: parts.slice(1).filter(Boolean).join('.') }]
  })
  return {
    name,
    version,
    licence: 'Node',
    text: licenceText(directory),
    source: 'node',
    integrity: lockedIntegrity('packaging/debian/package-lock.json', `node_modules/${name}`),
    bundles,
  }
}
