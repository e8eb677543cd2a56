// A real systemd on a host of a lab. Its root lives in memory: the machine's /usr below a layer of its own, an empty /etc.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type BootedHost, bootRoot, mountKernelFiles, nameRoot, startManager } from './booted-host.ts'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'

/** `directories` can be read on the booted host: the path there, and the machine's own directory. */
export type BootOptions = {
  readonly lab: Lab
  readonly host: Host
  readonly directories?: Readonly<Record<string, string>>
}

/** Arguments: the new root's directory, the host's name, node, pairs of directories. */
const script = `
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
${mountKernelFiles}
while [ $# -gt 0 ]; do
  mkdir -p ".$1"
  mount --bind -o ro "$2" ".$1"
  shift 2
done

cp /etc/passwd /etc/group etc
printf 'passwd: files systemd\\ngroup: files systemd\\n' >etc/nsswitch.conf
printf 'ID=lab\\n' >etc/os-release
${nameRoot}
touch etc/.updated var/.updated
${startManager}`

/** Boots systemd in the network of `host` and waits until it has started what is enabled. Needs root. */
export const bootSystemd = async ({ lab, host, directories = {} }: BootOptions): Promise<BootedHost> => {
  const root = join(lab.directory, `${host.name}-root`)
  mkdirSync(root)
  const words = [root, host.name, process.execPath, ...Object.entries(directories).flat()]
  return bootRoot({ lab, host, script, words })
}
