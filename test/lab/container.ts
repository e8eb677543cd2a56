// A whole Debian system of its own on a host of a lab, under a real systemd: cached layers below, everything that is
// written goes to memory and ends with the lab.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type BootedHost, bootRoot, mountKernelFiles, nameRoot, startManager } from './booted-host.ts'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'

/**
 * `layers`: root directories, the uppermost first; none of them is changed. `disk`: how much the container can write, as
 * tmpfs takes it. `directories` can be read on it: the path there, and the machine's own directory.
 */
export type ContainerOptions = {
  readonly lab: Lab
  readonly host: Host
  readonly layers: readonly string[]
  readonly disk?: string
  readonly directories?: Readonly<Record<string, string>>
}

/** Arguments: a directory for the mounts, the host's name, the layers as overlayfs takes them, the size, directories. */
const script = `
cd "$1"
mount -t tmpfs -o mode=755,size="$4" tmpfs .
cd "$1"
name=$2 layers=$3
shift 4
mkdir upper work root
mount -t overlay -o "lowerdir=$layers,upperdir=upper,workdir=work" overlay root
cd root
mkdir -p old
${mountKernelFiles}
# The network is the host's own: what it sets there reaches nobody else.
mount --bind /proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
while [ $# -gt 0 ]; do
  mkdir -p ".$1"
  mount --bind -o ro "$2" ".$1"
  shift 2
done
${nameRoot}
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$name" >etc/hosts
${startManager}`

/** Boots the container in the network of `host` and waits until it has started what is enabled. Needs root. */
export const bootContainer = async (options: ContainerOptions): Promise<BootedHost> => {
  const { lab, host, layers, disk = '1g', directories = {} } = options
  const place = join(lab.directory, `${host.name}-root`)
  mkdirSync(place)
  const words = [place, host.name, layers.join(':'), disk, ...Object.entries(directories).flat()]
  return bootRoot({ lab, host, script, words })
}
