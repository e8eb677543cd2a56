// @ts-check
// Debian packages: which are missing, and their installation without starting any service on somebody's machine.

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { attemptStep, runStep } from './step.mjs'

// What builds the native npm packages.
const neededByNpm = ['g++', 'make', 'python3']

// Servers, and the lab's network.
const neededByDemo = [
  'mariadb-server',
  'galera-4',
  'rsync',
  'iproute2',
  'nftables',
  'util-linux',
  'curl',
  ...neededByNpm,
]

// The tests run against the real keepalived, HAProxy, xinetd, rsyslogd and systemd and the programs that people check with, look at
// packets and format the man pages.
const neededByTests = [
  'keepalived',
  'tcpdump',
  'tshark',
  'haproxy',
  'hatop',
  'prometheus-haproxy-exporter',
  'socat',
  'xinetd',
  'rsyslog',
  'netcat-openbsd',
  'iptables',
  'monitoring-plugins-basic',
  'monitoring-plugins-contrib',
  'iputils-ping',
  'systemd',
  'groff-base',
]

// The status page is looked at in a browser. Ubuntu has it as a snap alone: whoever has that one is served as well.
const browser = readFileSync('/etc/os-release', 'utf8').includes('ID=ubuntu')
  ? []
  : ['chromium-headless-shell', 'fonts-dejavu-core']

// `npm run bench:datapath`: what it compares with, and its load.
const neededByDatapathBench = ['haproxy', 'nftlb', 'sysbench']

// They boot clean systems, and speak SQL to a server through the balancer.
const neededByPackageTests = ['mmdebstrap', 'sysbench']

/**
 * What `npm run deb` needs for packages of this architecture.
 * @param {string} architecture as Debian calls it
 */
export const neededByDeb = (architecture) => [
  ...neededByNpm,
  'debhelper',
  'dpkg-dev',
  'lintian',
  ...(architecture === 'arm64' && process.arch !== 'arm64' ? ['g++-aarch64-linux-gnu'] : []),
]

// Packages that enable a service when they are installed, and the service.
const services = new Map([
  ['mariadb-server', 'mariadb.service'],
  ['keepalived', 'keepalived.service'],
  ['haproxy', 'haproxy.service'],
  ['prometheus-haproxy-exporter', 'prometheus-haproxy-exporter.service'],
  ['xinetd', 'xinetd.service'],
  ['rsync', 'rsync.service'],
  ['rsyslog', 'rsyslog.service'],
  ['nftables', 'nftables.service'],
  ['nftlb', 'nftlb.service'],
])

const policyFile = '/usr/sbin/policy-rc.d'
const policy =
  '#!/bin/sh\n# Made by the set-up of mysql-balancer for the time of an installation: no service is started.\nexit 101\n'
const executable = 0o755

const quiet = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' }

// --no-remove: a machine that has, say, mysql-server keeps it, and this installation fails instead.
const install = ['install', '--yes', '--no-install-recommends', '--no-remove']

/** What `npm start` needs, what the tests do, those of the packages beside what builds them, and a benchmark. */
export const neededBy = {
  start: neededByDemo,
  datapath: [...neededByDemo, ...neededByDatapathBench],
  tests: [...neededByDemo, ...neededByTests, ...browser],
  packageTests: [...neededByDemo, ...neededByPackageTests],
}

/**
 * Those of the packages that are not installed.
 * @param {readonly string[]} needed
 * @returns {readonly string[]}
 */
export const missingDebianPackages = (needed) => {
  const format = `--showformat=\${Package} \${db:Status-Status}\\n`
  const { stdout } = spawnSync('dpkg-query', ['--show', format, ...needed], { encoding: 'utf8' })
  const installed = new Set(
    stdout.split('\n').flatMap((line) => (line.endsWith(' installed') ? [line.replace(/ .*/, '')] : [])),
  )
  return needed.filter((name) => !installed.has(name))
}

/**
 * Runs `work` while no package may start a service.
 * @param {() => Promise<void>} work
 */
const withoutStartingServices = async (work) => {
  // A policy of the machine's owner stays; one of ours may have been left by an installation that was killed.
  const hasOwnPolicy = existsSync(policyFile) && readFileSync(policyFile, 'utf8') !== policy
  if (!hasOwnPolicy) {
    writeFileSync(policyFile, policy)
    chmodSync(policyFile, executable)
  }
  try {
    await work()
  } finally {
    if (!hasOwnPolicy) rmSync(policyFile, { force: true })
  }
}

/**
 * @param {readonly string[]} packages
 */
const disableServices = (packages) => {
  for (const name of packages) {
    const service = services.get(name)
    if (service !== undefined) spawnSync('systemctl', ['disable', '--quiet', service])
  }
}

/**
 * Installs packages. The services they enable are disabled again; services that were there before stay as they are.
 * @param {readonly string[]} packages
 */
export const installDebianPackages = async (packages) => {
  const options = { env: quiet, alone: true }
  const title = `Debian packages (${packages.length})`
  const update = () => runStep('the lists of packages (apt-get update)', 'apt-get', ['update'], options)
  const isKnown = spawnSync('apt-get', [...install, '--simulate', ...packages]).status === 0
  await withoutStartingServices(async () => {
    try {
      if (!isKnown) await update()
      else if (await attemptStep(title, 'apt-get', [...install, ...packages], options)) return
      else await update()
      await runStep(title, 'apt-get', [...install, ...packages], options)
    } finally {
      disableServices(packages)
    }
  })
}
