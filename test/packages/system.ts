// The systems that packages are installed on: a container for each host, from the roots and the packages that
// `npm run test:packages` has put in place.

import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BootedHost } from '../lab/booted-host.ts'
import type { CommandResult } from '../lab/command.ts'
import { bootContainer } from '../lab/container.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { type Patience, waitFor } from '../lab/wait-for.ts'

/** A distribution whose root is there. */
export type System = { readonly name: string; readonly title: string }

const roots = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'mysql-balancer', 'roots')
/** Names with commas between, to look at one system alone. */
const chosen = process.env['PACKAGE_SYSTEMS']?.split(',')
const isWanted = ({ name }: System): boolean => existsSync(join(roots, name)) && (chosen?.includes(name) ?? true)

/** The ones that everything is proved on. */
export const debians: readonly System[] = [
  { name: 'debian12', title: 'Debian 12' },
  { name: 'debian13', title: 'Debian 13' },
].filter(isWanted)

/** Those and Ubuntu, where this machine's registry has it. */
export const systems: readonly System[] = [
  ...debians,
  ...[{ name: 'ubuntu2404', title: 'Ubuntu 24.04' }].filter(isWanted),
]

/** Which of both builds: `previous` has the lower version. */
export type Build = 'previous' | 'current'
/** The two packages. */
export type PackageName = 'mysqlchk-agent' | 'mysql-balancer'

const packages = fileURLToPath(new URL('../../../debs/test', import.meta.url))

/** The packages' version as dpkg compares it. */
export const versionOf = (build: Build): string => readFileSync(join(packages, build, 'version'), 'utf8').trim()

/** A host with a system of its own. */
export type Machine = BootedHost & {
  readonly host: Host
  /** Runs lines of a shell as root; throws with what they said where one fails. */
  readonly shell: (script: string, input?: string) => Promise<string>
  /** The same where a failure is expected: its code and all that was said. */
  readonly try: (script: string, input?: string) => Promise<{ readonly code: number | null; readonly said: string }>
  /** `apt-get` as a script runs it: no questions. Throws with what it said where it fails. */
  readonly apt: (...words: readonly string[]) => Promise<string>
  readonly write: (file: string, text: string) => Promise<void>
  readonly journal: (unit: string) => Promise<string>
}

/** What to boot. `withServer`: MariaDB is installed and starts. */
export type MachineOptions = {
  readonly lab: Lab
  readonly system: System
  readonly name: string
  readonly cidr: string
  readonly withServer?: boolean
  readonly disk?: string
}

/** The path of a package on every machine; it differs from build to build. */
export const fileOf = (name: PackageName, build: Build = 'current'): string => `/srv/packages/${build}/${name}.deb`

/** For a script: a question is an error. */
const aptGet =
  'DEBIAN_FRONTEND=noninteractive apt-get --yes -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=60'

const saidBy = ({ stdout, stderr }: CommandResult): string => `${stdout}${stderr}`

/** Adds a host with a system of its own to the lab and waits until it has booted. */
export const bootMachine = async (options: MachineOptions): Promise<Machine> => {
  const { lab, system, name, cidr, withServer = false, disk = '1g' } = options
  const host = await lab.addHost(name, cidr)
  const clean = join(roots, system.name)
  const layers = withServer ? [join(roots, `${system.name}-mariadb`), clean] : [clean]
  const booted = await bootContainer({ lab, host, layers, disk, directories: { '/srv/packages': packages } })
  const attempt = async (script: string, input = ''): Promise<{ code: number | null; said: string }> => {
    const result = await booted.run('sh', ['-e', '-c', script], { input })
    return { code: result.code, said: saidBy(result) }
  }
  const shell = async (script: string, input = ''): Promise<string> => {
    const { code, said } = await attempt(script, input)
    if (code !== 0) throw new Error(`On ${system.title}, ${name}: "${script}" ended with ${code}:\n${said}`)
    return said
  }
  return {
    ...booted,
    host,
    shell,
    try: attempt,
    apt: (...words) => shell(`${aptGet} ${words.join(' ')}`),
    write: async (file, text) => {
      await booted.mustRun('sh', ['-c', 'mkdir -p "$(dirname "$0")" && cat >"$0"', file], { input: text })
    },
    journal: (unit) => booted.mustRun('journalctl', ['--no-pager', '--output=cat', `--unit=${unit}`]),
  }
}

/** Waits until a unit's property is what is wanted; past the limit the error shows the unit's journal. */
export const waitForUnit = async (
  machine: Machine,
  unit: string,
  wanted: Readonly<Record<string, string>>,
  patience?: Patience,
): Promise<void> => {
  const what = Object.entries(wanted)
  const look = async (): Promise<boolean> => {
    for (const [name, value] of what) if ((await machine.property(unit, name)) !== value) return false
    return true
  }
  try {
    await waitFor(`${unit} to have ${JSON.stringify(wanted)}`, look, patience)
  } catch (error) {
    throw new Error(`${String(error)}\n${await machine.shell(`systemctl status ${unit} || true`)}`)
  }
}

/** Clients come in over the network; Debian's own files leave MariaDB on loopback. Waits until it runs so. */
export const openToClients = async (db: Machine): Promise<void> => {
  await waitForUnit(db, 'mariadb.service', { ActiveState: 'active' })
  await db.write('/etc/mysql/mariadb.conf.d/90-clients.cnf', '[mysqld]\nbind-address = 0.0.0.0\nskip-name-resolve\n')
  await db.shell('systemctl restart mariadb')
}

/** Waits until such an answer comes; past the limit the error shows the last one. */
export const waitForAnswer = async (asked: () => Promise<string>, wanted: RegExp): Promise<string> =>
  waitFor(`the answer ${String(wanted)}`, async () => {
    const answer = await asked()
    if (!wanted.test(answer)) throw new Error(answer)
    return answer
  })

/** One HTTP request from a host of the lab: the status, and the reason of the agent's answer. */
export const ask = async (from: Host, url: string): Promise<string> => {
  const { stdout } = await from.run('curl', ['-sS', '-i', '-m', '5', url])
  const status = stdout.match(/^HTTP\/1\.1 (\d+)/)?.[1] ?? 'no answer'
  const reason = stdout.match(/^Mysqlchk-Reason: (.*)\r$/im)?.[1]
  return reason === undefined ? status : `${status} ${reason}`
}

/**
 * Puts the previous version of a package at /root/other.deb, as if it had shipped another configuration file: dpkg has a
 * question then where the operator's is his own.
 */
export const rebuildWithOtherFile = async (machine: Machine, name: PackageName, file: string): Promise<void> => {
  await machine.shell(`
    cd /root && dpkg-deb --raw-extract ${fileOf(name, 'previous')} package
    echo '# shipped once' >>package${file}
    cd package && find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums
    cd .. && dpkg-deb --build -Znone --root-owner-group package other.deb && rm -r package`)
}

/** The version of a package that is installed, as dpkg compares it. */
export const installedVersion = async (machine: Machine, name: PackageName): Promise<string> =>
  machine.mustRun('dpkg-query', ['--show', `--showformat=\${Version}`, name])
