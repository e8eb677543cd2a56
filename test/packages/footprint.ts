// What is on a machine: its files, users, units, packages, rules and settings of the network; to compare before and after.

import type { Machine } from './system.ts'

/** What changes by itself, and what a package manager writes down about itself. */
const passing = [
  '/old',
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/tmp',
  '/srv/packages',
  '/var/tmp',
  '/var/log',
  '/var/cache',
  '/var/lib/apt',
  '/var/lib/dpkg',
  '/var/lib/systemd/timers',
  '/var/lib/systemd/random-seed',
]

const script = `
find / -xdev ${passing.map((path) => `-path ${path} -prune -o`).join(' ')} -printf 'file %y %m %u:%g %p %l\\n'
find /etc -xdev -type f -exec sha256sum {} +
find /run /dev/shm /tmp /var/tmp -maxdepth 1 ! -name 'systemd-private-*' ! -name 'tmp.*' -printf 'file %y %m %u:%g %p\\n'
systemctl list-unit-files --no-legend --no-pager
dpkg-query --show --showformat='package \${Package} \${db:Status-Abbrev}\\n'
`

const network = ['address', 'rule', 'route show table all', '-6 route show table all']

/** One line for each thing, sorted. */
export const footprintOf = async (machine: Machine): Promise<readonly string[]> => {
  const { host } = machine
  const files = await machine.shell(script)
  const rules = await host.run('nft', ['list', 'ruleset'])
  const settings = await machine.shell(
    "sysctl --all 2>/dev/null | grep '^net\\.ipv[46]' | grep -v 'conf.*stable_secret' || true",
  )
  const lines = [files, rules.stdout, settings]
  for (const words of network) {
    const { stdout } = await host.run('ip', ['-oneline', ...words.split(' ')])
    lines.push(stdout.replace(/ (valid_lft|preferred_lft|expires|pref) \S+/g, ''))
  }
  // Directories of times, and files that the system makes when something happens for the first time.
  const own =
    /^\S*file . \S+ \S+ \/(var\/lib\/systemd|etc)\/(\S*\.stamp|\.pwd\.lock|passwd-|group-|shadow-|gshadow-|\.updated)/
  return lines
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.trim() !== '' && !own.test(line) && !/ {2}\/etc\/(passwd|group|shadow|gshadow)-$/.test(line))
    .toSorted()
}

/** What one list has and the other one has not: `+` came, `-` went. */
export const differences = (before: readonly string[], after: readonly string[]): readonly string[] => {
  const [had, has] = [new Set(before), new Set(after)]
  return [
    ...before.filter((line) => !has.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !had.has(line)).map((line) => `+ ${line}`),
  ]
}
