// A host of a lab whose first process is systemd: how it is started, and how commands are run on it.

import { join } from 'node:path'
import { type CommandOptions, type CommandResult, mustRun, run } from './command.ts'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import { firstProcessBelow } from './proc.ts'
import { waitFor } from './wait-for.ts'

/** A host whose first process is systemd. */
export type BootedHost = {
  /** Runs a command to its end as root on the booted host. */
  readonly run: (command: string, args: readonly string[], options?: CommandOptions) => Promise<CommandResult>
  /** The same for a command that has to succeed; returns its output. */
  readonly mustRun: (command: string, args: readonly string[], options?: CommandOptions) => Promise<string>
  /** A property of a unit as `systemctl show` tells it. */
  readonly property: (unit: string, name: string) => Promise<string>
  /** A path of the booted host as this process can open it. */
  readonly path: (inside: string) => string
}

/** `script` prepares the new root, with `words` as its arguments, and ends with `startManager`. */
export type RootScript = {
  readonly lab: Lab
  readonly host: Host
  readonly script: string
  readonly words: readonly string[]
}

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin'

/**
 * What a new root needs of the kernel, mounted below the current directory. What systemd expects of those who start it:
 * systemd.io/CONTAINER_INTERFACE.
 */
export const mountKernelFiles = `
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
while read -r device major minor; do mknod -m 666 dev/$device c $major $minor; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
ln -s pts/ptmx dev/ptmx
mkdir dev/pts
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
`

/** The host's name is in $name. */
export const nameRoot = `
echo "$name" >etc/hostname
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
`

/** The current directory becomes the root, its directory `old` the way to the former one, and systemd takes over. */
export const startManager = `
pivot_root . old
umount -l /old
mount --make-rshared /
# Nothing that reaches beyond these namespaces.
without=-audit_control,-audit_read,-sys_module,-sys_rawio,-sys_time,-syslog,-wake_alarm
exec env -i container=lab ${path} setpriv --bounding-set=$without -- /usr/lib/systemd/systemd --unit=multi-user.target
`

/** Its own control group first: systemd makes those of its services below the one that it starts in. */
const enterGroup = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
const namespaces = ['--mount', '--ipc', '--pid', '--cgroup', '--fork', '--kill-child']

/** Boots systemd in the network of `host` and waits until it has started what is enabled. Needs root. */
export const bootRoot = async ({ lab, host, script, words }: RootScript): Promise<BootedHost> => {
  const group = await lab.addControlGroup(host.name)
  const begin = ['-c', enterGroup, group, 'unshare', ...namespaces, '--', 'sh', '-e', '-c', script, 'boot']
  const holder = host.spawn('systemd', 'sh', [...begin, ...words])

  const mustLive = (): void => {
    if (!holder.isRunning()) throw new Error(`systemd on ${host.name} has ended: ${holder.lines().join('\n')}`)
  }
  // Before that name is there the process still sees the machine's own root, where nothing must be run.
  const leader = await waitFor('systemd to start', () => {
    const found = firstProcessBelow(holder.pid, 'systemd')
    if (found === undefined) mustLive()
    return found
  })
  const enter = (command: string, args: readonly string[]): readonly string[] => {
    mustLive()
    return ['--target', String(leader), '--all', '--', 'env', '-i', path, 'HOME=/root', command, ...args]
  }
  const commands = {
    run: async (command: string, args: readonly string[], options?: CommandOptions) =>
      run('nsenter', enter(command, args), options),
    mustRun: async (command: string, args: readonly string[], options?: CommandOptions) =>
      mustRun('nsenter', enter(command, args), options),
  }
  await waitFor('systemd to have started all', () => commands.mustRun('systemctl', ['is-active', 'multi-user.target']))
  return {
    ...commands,
    property: async (unit, name) =>
      (await commands.mustRun('systemctl', ['show', '--value', '--property', name, unit])).trimEnd(),
    path: (inside) => join(`/proc/${leader}/root`, inside),
  }
}
