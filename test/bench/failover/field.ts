// Where it happens: one switch, two MariaDB servers, a client with a probe, and two hosts for load balancers.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Probe, startProbe } from '../../lab/gap-probe.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { type MariaDb, startMariaDb } from '../../lab/mariadb.ts'
import { appUser } from '../../lab/mariadb-files.ts'

/** The address that clients know, and the port behind it. */
export const virtualAddress = '198.18.0.100'
export const servicePort = 3306

/** The hosts, with MariaDB running on `databases`. */
export type Field = {
  readonly lab: Lab
  readonly client: Host
  readonly databases: readonly Host[]
  readonly servers: readonly MariaDb[]
  /** The one that is to be master first. */
  readonly balancers: readonly [Host, Host]
}

/** Makes the hosts and starts the servers; nothing holds the address yet. */
export const buildField = async (lab: Lab): Promise<Field> => {
  const balancers = [await lab.addHost('lb1', '198.18.0.2/24'), await lab.addHost('lb2', '198.18.0.3/24')] as const
  const databases = [await lab.addHost('db1', '198.18.0.11/24'), await lab.addHost('db2', '198.18.0.12/24')]
  const client = await lab.addHost('client', '198.18.0.200/24')
  const servers = await Promise.all(databases.map((host) => startMariaDb({ lab, host, name: host.name })))
  return { lab, client, databases, servers, balancers }
}

/** Starts the client: a new connection with a login and a query every `interval` milliseconds. */
export const startClient = (field: Field, interval: number, timeout: number): Promise<Probe> =>
  startProbe(field.client, {
    target: { address: virtualAddress, port: servicePort },
    user: appUser.user,
    password: appUser.password,
    interval,
    timeout,
  })

/** A host's directory for the files of one side. */
export const directoryOf = (lab: Lab, host: Host, side: string): string => {
  const directory = join(lab.directory, `${host.name}-${side}`)
  mkdirSync(directory, { recursive: true })
  return directory
}

/** The host as after a boot: no program runs, and it has its own address only. */
export const reset = async (host: Host): Promise<void> => {
  await host.killAll()
  await host.powerOn()
}

/** Whether the host has the virtual address. */
export const holdsAddress = async (host: Host): Promise<boolean> =>
  (await host.addresses()).some((address) => address.startsWith(`${virtualAddress}/`))
