// @ts-check
// The servers of `npm run test:servers`: packages of other Debian suites, unpacked into root folders of their own in a
// cache of this user. Nothing of them is installed, and no program of theirs runs before a test starts it.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findArchive, keyring } from './archive.mjs'
import { cacheDirectory, removeRemains, workPrefix } from './cache.mjs'
import { runStep } from './step.mjs'

/** @typedef {{ readonly name: string, readonly title: string, readonly suite: string, readonly packages: readonly string[] }} ServerRoot */

/** @type {readonly ServerRoot[]} */
const serverRoots = [
  { name: 'mysql', title: 'MySQL', suite: 'sid', packages: ['mysql-server-core', 'mysql-client-core'] },
  { name: 'mariadb', title: 'MariaDB 11.8', suite: 'trixie', packages: ['mariadb-server'] },
]

/** Where the root folders are: below the user's cache, so that a fresh clone finds them. */
export const serversDirectory = join(cacheDirectory, 'servers')

/** The root folders that are not there. Each comes into its place complete, by one rename. */
export const missingServerRoots = () => serverRoots.filter(({ name }) => !existsSync(join(serversDirectory, name)))

/**
 * An apt of its own: it sees one suite, and not what is installed here.
 * @param {string} work
 * @param {string} archive
 * @param {string} suite
 */
const writeAptFiles = (work, archive, suite) => {
  for (const directory of ['state/lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(work, directory), { recursive: true })
  }
  writeFileSync(join(work, 'status'), '')
  writeFileSync(join(work, 'sources.list'), `deb [signed-by=${keyring}] ${archive} ${suite} main\n`)
  const configuration = join(work, 'apt.conf')
  const settings = {
    'Dir::Etc::SourceList': join(work, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Dir::State': join(work, 'state'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Acquire::Languages': 'none',
  }
  writeFileSync(
    configuration,
    Object.entries(settings)
      .map(([key, value]) => `${key} "${value}";\n`)
      .join(''),
  )
  return configuration
}

const unpackAll = 'for package in "$1"/*.deb; do dpkg-deb --extract "$package" "$2" || exit; done'

/** What a package of a merged-/usr system takes for granted, and where the lab mounts the kernel's own. */
const links = ['bin', 'sbin', 'lib', 'lib64']
const mountPoints = ['dev', 'proc', 'tmp', 'run']

/**
 * @param {ServerRoot} root
 * @param {string} archive
 */
const makeServerRoot = async ({ name, title, suite, packages }, archive) => {
  const work = mkdtempSync(join(serversDirectory, workPrefix()))
  try {
    const apt = ['-c', writeAptFiles(work, archive, suite)]
    const root = join(work, 'root')
    mkdirSync(join(root, 'usr'), { recursive: true })
    for (const link of links) {
      mkdirSync(join(root, 'usr', link), { recursive: true })
      symlinkSync(`usr/${link}`, join(root, link))
    }
    for (const directory of mountPoints) mkdirSync(join(root, directory), { recursive: true })
    mkdirSync(join(root, 'etc'), { recursive: true })
    // auth_socket asks for the name of a user by its number.
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
    await runStep(`${title}: the lists of ${suite}`, 'apt-get', [...apt, 'update'])
    await runStep(`${title}: its packages`, 'apt-get', [...apt, '--yes', '--download-only', 'install', ...packages])
    await runStep(`${title}: unpacking`, 'sh', ['-c', unpackAll, 'sh', join(work, 'cache/archives'), root])
    try {
      renameSync(root, join(serversDirectory, name))
    } catch (error) {
      // Another set-up was faster: its root is as good.
      if (!existsSync(join(serversDirectory, name))) throw error
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/**
 * Puts root folders in place.
 * @param {readonly ServerRoot[]} roots
 */
export const installServerRoots = async (roots) => {
  mkdirSync(serversDirectory, { recursive: true })
  removeRemains(serversDirectory)
  const archive = await findArchive()
  for (const root of roots) await makeServerRoot(root, archive)
}
