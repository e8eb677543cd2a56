// What the tests of the notifications start them with: a folder, programs, a configuration and a receiver of webhooks.

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import { createNotifications } from '../../../balancer/vrrp/notifications.ts'
import { quietLog } from '../vrrp/quiet-log.ts'

/** A folder of this test's own, which anybody may write to. */
export const directory = mkdtempSync(join(tmpdir(), 'notify-'))
chmodSync(directory, 0o777)
t.teardown(() => rmSync(directory, { recursive: true }))

/** Nobody but root may change a script: where all may write, none is run. */
const programs = mkdtempSync(join(tmpdir(), 'notify-programs-'))
chmodSync(programs, 0o755)
t.teardown(() => rmSync(programs, { recursive: true }))

/** Writes a shell script and returns its path. */
export const program = (name: string, text: string): string => {
  const file = join(programs, name)
  writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return file
}
/** The whole lines that a file has so far. */
export const linesOf = (file: string): readonly string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []

/** Two instances, `V` and `W`; with `group` they are in one that has these notifications. */
export const vrrpOf = (notify: object | undefined, more: object = {}, group?: object) => {
  const instance = (name: string, id: number) => ({
    name,
    interface: 'eth0',
    virtual_router_id: id,
    virtual_addresses: [`198.18.0.${100 + id}/24`],
    ...(notify === undefined ? {} : { notify }),
  })
  return vrrpSchema.parse({
    instances: [instance('V', 1), instance('W', 2)],
    ...(group === undefined ? {} : { sync_groups: [{ name: 'G', instances: ['V', 'W'], notify: group }] }),
    ...more,
  })
}

/** Starts the notifications; `messages` are what they logged. */
export const start = (vrrp: ReturnType<typeof vrrpOf>) => {
  const { log, messages } = quietLog()
  return { notifications: createNotifications({ vrrp, routerId: 'lb1', log }), messages }
}

/** How a receiver of webhooks answers. */
export type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void
/** Starts a receiver, on any port unless one is wanted, and returns its address. */
export const serve = async (handler: Handler, wantedPort = 0) => {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => handler(request, response, body))
  })
  await new Promise<void>((resolve) => server.listen(wantedPort, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}
