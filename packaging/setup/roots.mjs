// @ts-check
// The systems of `npm run test:packages`: clean roots of Debian and Ubuntu in a cache of this user, and beside each a
// layer with MariaDB. Archives of what the tests install lie in them, so that `apt-get install` needs no network there.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findArchive, keyring } from './archive.mjs'
import { cacheDirectory, removeRemains, workPrefix } from './cache.mjs'
import { runStep } from './step.mjs'

/** @typedef {{ readonly name: string, readonly title: string, readonly suite: string, readonly distribution: 'debian' | 'ubuntu', readonly components: string }} PackageRoot */

/** Debian first: the keys of Ubuntu's archive come from it. */
/** @type {readonly PackageRoot[]} */
const packageRoots = [
  { name: 'debian12', title: 'Debian 12', suite: 'bookworm', distribution: 'debian', components: 'main' },
  { name: 'debian13', title: 'Debian 13', suite: 'trixie', distribution: 'debian', components: 'main' },
  { name: 'ubuntu2404', title: 'Ubuntu 24.04', suite: 'noble', distribution: 'ubuntu', components: 'main universe' },
]

/** What a server has beside the minimal system, so far as it matters here. */
const installed = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'libpam-systemd',
  'iproute2',
  'procps',
  'netbase',
  'curl',
  'adduser',
  'apt',
  'sudo',
]

/** What is installed by the tests, or is there for them to be installed as a dependency. */
const archived = ['keepalived', 'xinetd', 'haproxy', 'nftables', 'bash-completion', 'libcap2-bin']
const server = 'mariadb-server'

/** Where the roots are. */
export const rootsDirectory = join(cacheDirectory, 'roots')

const stamp = createHash('sha256')
  .update(readFileSync(new URL(import.meta.url)))
  .digest('hex')
const stampOf = (/** @type {string} */ name) => join(rootsDirectory, `${name}.made-by`)

/** Says that this registry has no such distribution; looked for again when the recipe changes. */
const absentMark = 'absent '

/**
 * @param {PackageRoot} root
 * @returns {string | undefined}
 */
const stampNow = ({ name }) => {
  const file = stampOf(name)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** The roots that are not there, or were made by another recipe. */
export const missingPackageRoots = () =>
  packageRoots.filter((root) => ![stamp, absentMark + stamp].includes(stampNow(root) ?? ''))

const apt =
  'env DEBIAN_FRONTEND=noninteractive apt-get --yes -o APT::Install-Recommends=true -o APT::Sandbox::User=root'

/**
 * In the new root: an overlay over the clean one takes what MariaDB's installation writes. Arguments: the clean root, the
 * layer, a directory for the work. No service is started: there is no systemd, and the policy forbids it.
 */
const addServer = `
set -e
mount -t overlay -o "lowerdir=$1,upperdir=$2,workdir=$3/work" overlay "$3/root"
cd "$3/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir run/lock
printf '#!/bin/sh\\nexit 101\\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
chroot . ${apt} -o APT::Keep-Downloaded-Packages=true install ${server} </dev/null
rm usr/sbin/policy-rc.d
`

/** @param {string} address */
const answers = (address) =>
  spawnSync('curl', ['--fail', '--silent', '--head', '--location', '--output', '/dev/null', address]).status === 0

/**
 * The keys of Ubuntu's archive, as Debian signs them; the package was downloaded into the root of Debian 13.
 * @param {string} work
 */
const ubuntuKeyring = async (work) => {
  const unpacked = join(work, 'keyring')
  const find = 'dpkg-deb --extract "$1"/var/cache/apt/archives/ubuntu-keyring_*.deb "$2"'
  await runStep('Ubuntu: its keys', 'sh', ['-c', find, 'sh', join(rootsDirectory, 'debian13'), unpacked])
  return join(unpacked, 'usr/share/keyrings/ubuntu-archive-keyring.gpg')
}

/**
 * @param {PackageRoot} root
 * @param {string} archive
 */
const makePackageRoot = async ({ name, title, suite, distribution, components }, archive) => {
  if (!answers(`${archive}/dists/${suite}/InRelease`)) {
    console.log(`  ${title}: the registry of this machine does not have ${suite}`)
    writeFileSync(stampOf(name), absentMark + stamp)
    return
  }
  const work = mkdtempSync(join(rootsDirectory, workPrefix()))
  try {
    const clean = join(work, 'clean')
    const layer = join(work, 'layer')
    const keys = distribution === 'debian' ? keyring : await ubuntuKeyring(work)
    const more = suite === 'trixie' ? ' ubuntu-keyring' : ''
    await runStep(`${title}: a clean system`, 'mmdebstrap', [
      '--mode=root',
      '--variant=minbase',
      '--format=directory',
      '--skip=cleanup/apt/lists,cleanup/apt/cache',
      `--keyring=${keys}`,
      `--components=${components}`,
      `--include=${installed.join(',')}`,
      // Nothing looks for updates by itself, and locks dpkg meanwhile.
      '--customize-hook=ln -s /dev/null "$1/etc/systemd/system/apt-daily.timer"',
      '--customize-hook=ln -s /dev/null "$1/etc/systemd/system/apt-daily-upgrade.timer"',
      `--customize-hook=chroot "$1" ${apt} --download-only install ${[server, ...archived].join(' ')}${more}`,
      suite,
      clean,
      archive,
    ])
    for (const directory of ['layer', 'work', 'root']) mkdirSync(join(work, directory))
    const unshared = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--propagation=private']
    await runStep(`${title}: MariaDB`, 'unshare', [...unshared, '--', 'sh', '-c', addServer, 'sh', clean, layer, work])
    for (const [made, place] of [
      [clean, name],
      [layer, `${name}-mariadb`],
    ]) {
      const target = join(rootsDirectory, place)
      rmSync(target, { recursive: true, force: true })
      renameSync(made, target)
    }
    writeFileSync(stampOf(name), stamp)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/**
 * Puts roots in place.
 * @param {readonly PackageRoot[]} roots
 */
export const installPackageRoots = async (roots) => {
  mkdirSync(rootsDirectory, { recursive: true })
  removeRemains(rootsDirectory)
  const debian = (await findArchive()).replace(/\/*$/, '')
  const archives = { debian, ubuntu: debian.replace(/[^/]*$/, 'ubuntu') }
  for (const root of roots) await makePackageRoot(root, archives[root.distribution])
}
