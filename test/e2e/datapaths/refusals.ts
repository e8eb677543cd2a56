// What a listener can ask a datapath for in vain: an example for each row of capabilities.ts that some datapath cannot do.

import type { Keys } from './behaviour.ts'

const longestName = 64
const servers = [{ name: 'a', address: '198.18.0.11:3306' }]

/** By the name of the row: keys that ask for it, and where. */
export const refusals: Readonly<Record<string, { readonly keys: Omit<Keys, 'name'>; readonly path: string }>> = {
  'bind 0.0.0.0 or ::': { keys: { bind: '0.0.0.0:4001' }, path: 'bind' },
  'bind a loopback address': { keys: { bind: '127.0.0.1:4002' }, path: 'bind' },
  'balance leastconn': { keys: { balance: 'leastconn' }, path: 'balance' },
  'balance first': { keys: { balance: 'first' }, path: 'balance' },
  'timeouts.queue': { keys: { timeouts: { queue: '5s' } }, path: 'timeouts.queue' },
  retries: { keys: { retries: 3 }, path: 'retries' },
  'redispatch false': { keys: { redispatch: false }, path: 'redispatch' },
  observe: { keys: { observe: { error_limit: 5 } }, path: 'observe' },
  'servers.address of another family than a bind': {
    keys: { servers: [{ name: 'a', address: '[fd00::11]:3306' }] },
    path: 'servers[0].address',
  },
  'servers.address a loopback address': {
    keys: { servers: [{ name: 'a', address: '127.0.0.1:3306' }] },
    path: 'servers[0].address',
  },
  'servers.name too long together with that of the listener': {
    keys: { servers: [{ name: 'a'.repeat(longestName), address: '198.18.0.11:3306' }] },
    path: 'servers[0].name',
  },
  'servers.max_connections': {
    keys: { servers: [{ name: 'a', address: '198.18.0.11:3306', max_connections: 5 }] },
    path: 'servers[0].max_connections',
  },
}

/** A listener for each of them. */
export const listenersAskingInVain = (datapath: string): readonly Keys[] =>
  Object.values(refusals).map(({ keys }, i) => ({
    name: `in-vain-${i}`.padEnd(longestName, '.'),
    datapath,
    bind: `198.18.0.2:${4100 + i}`,
    servers,
    ...keys,
  }))
