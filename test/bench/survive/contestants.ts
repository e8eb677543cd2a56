// Who is compared, in the order of the table, and which events may not cost any of them a session.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Datapath } from '../../../balancer/core/forwarders.ts'
import { prepareDirectReturn } from '../../lab/direct-return.ts'
import { createReleases } from '../../lab/release.ts'
import { balancerSide } from '../failover/balancer-side.ts'
import { type Field, servicePort, virtualAddress } from '../failover/field.ts'
import { keepalivedSide } from '../failover/keepalived-side.ts'
import type { Side } from '../failover/side.ts'
import { type EventName, eventNames } from './events.ts'

/** By the name that the flags take. */
export const contestantNames = ['keepalived', 'userspace', 'kernel', 'direct'] as const
export type ContestantName = (typeof contestantNames)[number]

/** `keeps`: the events in which no session to a living server may be lost. */
export type Contestant = { readonly title: string; readonly keeps: readonly EventName[] }

const orders: readonly EventName[] = ['reload', 'upgrade', 'drain', 'server-power-cut']

/** Each by its name. */
export const contestants: Readonly<Record<ContestantName, Contestant>> = {
  keepalived: { title: 'keepalived + HAProxy', keeps: [] },
  userspace: { title: 'userspace', keeps: orders },
  kernel: { title: 'kernel', keeps: orders },
  direct: { title: 'direct', keeps: eventNames },
}

/** The ways to run them in a field, made once. */
export const createSides = (field: Field): Readonly<Record<ContestantName, Side>> => {
  const releases = createReleases(field.lab.directory)
  releases.install('1.0.0')
  const ours = (datapath: Datapath): Side => balancerSide(field, { datapath, releases })
  return {
    keepalived: keepalivedSide(field),
    userspace: ours('userspace'),
    kernel: ours('kernel'),
    direct: ours('direct'),
  }
}

/** Prepares the servers for one of them; the answer undoes it. */
export const prepareServers = async (name: ContestantName, field: Field): Promise<() => Promise<unknown>> => {
  if (name !== 'direct') return async () => undefined
  const undone = await Promise.all(
    field.databases.map((host) => {
      const directory = join(field.lab.directory, `${host.name}-direct-return`)
      mkdirSync(directory, { recursive: true })
      return prepareDirectReturn(host, directory, virtualAddress, servicePort)
    }),
  )
  return () => Promise.all(undone.map((undo) => undo()))
}
