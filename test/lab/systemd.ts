// A real systemd on a host of a lab. Its root lives in memory: the machine's /usr below a layer of its own, an empty /etc.

import { mkdirSync } from 'node:fs'
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

/** `directories` can be read on the booted host: the path there, and the machine's own directory. */
export type BootOptions = {
  readonly lab: Lab
  readonly host: Host
  readonly directories?: Readonly<Record<string, string>>
}

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin'

/**
 * Runs as the first process of new namespaces. Arguments: the new root's directory, the host's name, node, pairs of
 * directories. What systemd expects of those who start it: systemd.io/CONTAINER_INTERFACE.
 */
const boot = `
cd "$1"
mount -t tmpfs -o mode=755 tmpfs .
cd "$1"
name=$2 node=$3
shift 3
mkdir -p usr layer/upper layer/work etc/systemd/system run var/log/journal var/tmp tmp dev proc sys root old
chmod 1777 tmp var/tmp
for directory in bin sbin lib lib32 lib64 libx32; do
  if [ -L /$directory ]; then cp -P /$directory .
  elif [ -d /$directory ]; then mkdir $directory; mount --bind -o ro /$directory $directory
  fi
done

mount -t overlay -o lowerdir=/usr,upperdir=layer/upper,workdir=layer/work overlay usr
[ -e usr/bin/node ] || : >usr/bin/node
mount --bind "$node" usr/bin/node
# Only what the test enables is started, whatever is installed on this machine.
if [ -e usr/lib/systemd/system-generators/systemd-sysv-generator ]; then
  mkdir etc/systemd/system-generators
  cp usr/lib/systemd/system-generators/systemd-sysv-generator etc/systemd/system-generators
fi
for directory in system-generators system/multi-user.target.wants; do
  mkdir -p usr/lib/systemd/$directory
  mount -t tmpfs tmpfs usr/lib/systemd/$directory
done

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
while [ $# -gt 0 ]; do
  mkdir -p ".$1"
  mount --bind -o ro "$2" ".$1"
  shift 2
done

cp /etc/passwd /etc/group etc
printf 'passwd: files systemd\\ngroup: files systemd\\n' >etc/nsswitch.conf
printf 'ID=lab\\n' >etc/os-release
echo "$name" >etc/hostname
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
touch etc/.updated var/.updated

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
export const bootSystemd = async ({ lab, host, directories = {} }: BootOptions): Promise<BootedHost> => {
  const root = join(lab.directory, `${host.name}-root`)
  mkdirSync(root)
  const group = await lab.addControlGroup(host.name)
  const begin = ['-c', enterGroup, group, 'unshare', ...namespaces, '--', 'sh', '-e', '-c', boot, 'boot']
  const words = [root, host.name, process.execPath, ...Object.entries(directories).flat()]
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
