// What the tests of the tracking start it with: a folder, programs and a configuration.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { listenerSchema } from '../../../../balancer/config/listener-schema.ts'
import { vrrpSchema } from '../../../../balancer/config/vrrp-schema.ts'
import { refused } from '../../../../balancer/os/outcome.ts'
import type { Standing } from '../../../../balancer/vrrp/core/tracking.ts'
import { createTracking, type TrackingConfig } from '../../../../balancer/vrrp/tracking/tracking.ts'
import { quietLog } from '../quiet-log.ts'

/** A folder of this test's own. */
export const directory = mkdtempSync(join(tmpdir(), 'tracking-'))
chmodSync(directory, 0o755)
t.teardown(() => rmSync(directory, { recursive: true }))

/** Writes a shell script and returns its path. */
export const program = (name: string, text: string): string => {
  const file = join(directory, name)
  writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return file
}

type Input = {
  readonly track: object
  readonly shared?: object
  readonly group?: boolean
  readonly listeners?: object[]
}

/** An instance `V` that tracks something; `group`: with `W` in a sync group. */
export const configOf = ({ track, shared = {}, group = false, listeners = [] }: Input): TrackingConfig => {
  const instance = (name: string, id: number, tracked: object) => ({
    name,
    interface: 'eth0',
    virtual_router_id: id,
    virtual_addresses: [`198.18.0.${100 + id}/24`],
    track: tracked,
  })
  return {
    vrrp: vrrpSchema.parse({
      instances: [instance('V', 1, track), ...(group ? [instance('W', 2, { serving: false })] : [])],
      sync_groups: group ? [{ name: 'G', instances: ['V', 'W'] }] : [],
      ...shared,
    }),
    listeners: listeners.map((listener) => listenerSchema.parse(listener)),
  }
}

const noInterface = { findInterface: async () => refused('ENODEV', 'none') }

/** Starts the tracking; `changes` are what it told, `messages` what it logged. */
export const start = (input: Input, netlink: Parameters<typeof createTracking>[0]['netlink'] = noInterface) => {
  const { log, messages } = quietLog()
  const changes: (readonly [string, Standing])[] = []
  const tracking = createTracking({
    config: configOf(input),
    netlink,
    log,
    routes: () => [],
    onChange: (instance, standing) => changes.push([instance, standing]),
  })
  return { tracking, messages, changes }
}
