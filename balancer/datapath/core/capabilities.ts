// What each datapath can do with each key of a listener. The rules of the configuration refuse by this table, and the
// documentation tells it: a key that is new stands here the same day.

import { isLoopback, isUnspecified } from '../../core/address-kind.ts'
import { type Datapath, datapaths } from '../../core/forwarders.ts'
import { familyOf } from '../../core/ip-address.ts'

/**
 * What a datapath makes of a key or a value: what the man page says (`yes`), the same in another way (`nearly`, `how` is a
 * sentence), or nothing (`no`: `why` goes on after `datapath: kernel`, `instead` is what to write to stay with it).
 */
export type Ability =
  | { readonly can: 'yes' }
  | { readonly can: 'nearly'; readonly how: string }
  | { readonly can: 'no'; readonly why: string; readonly instead: string }

type Path = readonly PropertyKey[]

/** An address in the file, and its place in the listener. */
export type WrittenAddress = { readonly address: string; readonly path: Path }

/** A listener as it is written: `keys` as they stand there, and those addresses that can be read. */
export type WrittenListener = {
  readonly keys: unknown
  readonly binds: readonly WrittenAddress[]
  readonly servers: readonly WrittenAddress[]
}

/** A row of the table. `key` is one of a listener, `timeouts.queue` one below; `value` the values that are meant, null all. */
export type Capability = {
  readonly key: string
  readonly value: string | null
  readonly abilities: Readonly<Record<Datapath, Ability>>
  /** The places in a listener that ask for it. */
  readonly askedAt: (listener: WrittenListener) => readonly Path[]
}

/** A place in a listener that asks its datapath for what that cannot do, and what to do about it. */
export type Refusal = { readonly path: Path; readonly text: string }

/** All that a listener asks of a datapath that cannot do it. */
export const refusalsOf = (datapath: Datapath, listener: WrittenListener): readonly Refusal[] =>
  capabilities.flatMap(({ abilities, askedAt }) => {
    const ability = abilities[datapath]
    if (ability.can !== 'no') return []
    const others = datapaths.filter((other) => abilities[other].can !== 'no')
    const waysOut = [ability.instead, ...others.map((other) => `or write datapath: ${other}`)]
    const text = `datapath: ${datapath} ${ability.why}; ${waysOut.join(', ')}`
    return askedAt(listener).map((path) => ({ path, text }))
  })

const yes: Ability = { can: 'yes' }
const nearly = (how: string): Ability => ({ can: 'nearly', how })
const no = (why: string, instead: string): Ability => ({ can: 'no', why, instead })

type AskedAt = Capability['askedAt']

const row = (
  key: string,
  [kernel, direct]: readonly [kernel: Ability, direct: Ability],
  value: string | null = null,
  askedAt = written(key, value),
): Capability => ({ key, value, abilities: { userspace: yes, kernel, direct }, askedAt })

const everywhere = [yes, yes] as const

/** Where a key is written at all, or with this value. */
const written =
  (key: string, value: string | null): AskedAt =>
  ({ keys }) => {
    const path = key.split('.')
    const found = path.reduce<unknown>(below, keys)
    return found !== undefined && (value === null || String(found) === value) ? [path] : []
  }

const below = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? Object.entries(value).find(([name]) => name === key)?.[1] : undefined

const pathsOf = (addresses: readonly WrittenAddress[], isMeant: (address: string) => boolean): readonly Path[] =>
  addresses.filter(({ address }) => isMeant(address)).map(({ path }) => path)

const bindsThat =
  (isMeant: (address: string) => boolean): AskedAt =>
  ({ binds }) =>
    pathsOf(binds, isMeant)

const serversOnLoopback: AskedAt = ({ servers }) => pathsOf(servers, isLoopback)

/** Servers that lack the family of a bind: what arrives there could not go to them. */
const serversOfOtherFamily: AskedAt = ({ binds, servers }) =>
  pathsOf(servers, (server) => binds.some(({ address }) => familyOf(address) !== familyOf(server)))

/** nft keeps both with a slash between them, in a comment of at most 128 characters. */
const longestNames = 127

const namesTooLong: AskedAt = ({ keys }) => {
  const lengthIn = (value: unknown): number => String(below(value, 'name') ?? '').length
  const servers = below(keys, 'servers')
  if (!Array.isArray(servers)) return []
  return servers.flatMap((server, i) =>
    lengthIn(keys) + lengthIn(server) > longestNames ? [['servers', i, 'name']] : [],
  )
}

/** Nothing is observed where that is switched off. */
const observed: AskedAt = ({ keys }) => {
  const observe = below(keys, 'observe')
  return observe === undefined || below(observe, 'enabled') === false ? [] : [['observe']]
}

/** Servers with a limit of their own; 0 is none. */
const limitedServers: AskedAt = ({ keys }) => {
  const servers = below(keys, 'servers')
  if (!Array.isArray(servers)) return []
  return servers.flatMap((server, i) =>
    Number(below(server, 'max_connections')) > 0 ? [['servers', i, 'max_connections']] : [],
  )
}

const tooLong = no(
  `has room for ${longestNames} characters of a listener's and a server's name together`,
  'write a shorter name',
)
const noRoom = 'Nobody waits: a client that finds no room is refused at once.'
const oneTimer = 'One time counts for both sides, the shorter of timeouts.client and timeouts.server.'
const noTimer =
  'Nothing is closed for being idle: a session silent for longer than both is forgotten, and goes on where the table says.'
const byHash =
  "A hash of the client's address and port chooses, by weight; no turns: of few sessions one server may have more."
const oneFamily = 'write servers and binds of one family in each listener'
const hostsAddress = 'write the address that this host has in its network'

/** Every key of a listener, in the order of the man page. */
export const capabilities: readonly Capability[] = [
  row('bind', [yes, nearly('Sessions at an address that a reload takes away from a listener end.')]),
  row(
    'bind',
    [
      no('translates connections to one address, and servers answer to that', 'write each address that clients use'),
      no('passes on what is sent to addresses that the servers have too', 'write each address that clients use'),
    ],
    '0.0.0.0 or ::',
    bindsThat(isUnspecified),
  ),
  row(
    'bind',
    [
      no('forwards between hosts, and a loopback address never leaves its own', 'write an address that clients reach'),
      no('passes frames on, and none is sent to a loopback address', 'write an address that clients reach'),
    ],
    'a loopback address',
    bindsThat(isLoopback),
  ),
  row('balance', [yes, nearly(byHash)], 'roundrobin'),
  row(
    'balance',
    [
      nearly('Weights follow the sessions that each server has; a burst within one round is spread by weight alone.'),
      no(
        'chooses by a hash that every balancer computes alike, whatever sessions there are',
        'write balance: roundrobin',
      ),
    ],
    'leastconn',
  ),
  row(
    'balance',
    [
      nearly(
        'When servers or weights change, clients of other servers may move as well; a full server is passed over.',
      ),
      nearly(
        'When servers or weights change, some clients of other servers may move as well, with their next session.',
      ),
    ],
    'source',
  ),
  row(
    'balance',
    [
      no('does not fill one server before the next', 'write another balance, or backup: true on the later servers'),
      no('does not fill one server before the next', 'write balance: roundrobin, or backup: true on the later servers'),
    ],
    'first',
  ),
  row('balance', [nearly('One is drawn by weight, not the less loaded of two.'), nearly(byHash)], 'random'),
  row('balance', everywhere, 'single'),
  row('fail_back', everywhere),
  row('all_backups', everywhere),
  row('panic_threshold', everywhere),
  row('slow_start', everywhere),
  row('max_connections', [
    nearly(noRoom),
    nearly(
      'Beyond it new clients wait until there is room. Sessions are counted once a second: a burst goes beyond it.',
    ),
  ]),
  row('access', everywhere),
  row('timeouts.connect', [
    nearly('The client itself asks again and may be given another server; a connect that nobody answers is forgotten.'),
    nearly('How long a connect that nobody answers is remembered, at least 10 s; the client itself asks again.'),
  ]),
  row('timeouts.client', [nearly(oneTimer), nearly(noTimer)]),
  row('timeouts.server', [nearly(oneTimer), nearly(noTimer)]),
  row('timeouts.queue', [
    no('has no queue: a client without a server is refused at once', 'remove this key'),
    nearly(
      'A client that waits asks again after 1 s and 3 s, as its kernel does; who comes while no server takes sessions is refused after this time.',
    ),
  ]),
  row('retries', [
    no('counts no retries: the kernel of the client asks again by itself', 'remove this key'),
    no('counts no retries: the kernel of the client asks again by itself', 'remove this key'),
  ]),
  row(
    'redispatch',
    [yes, nearly('A client whose server does not answer asks again, and gets another one when that is marked down.')],
    'true',
  ),
  row(
    'redispatch',
    [
      no('gives a client that asks again any server that is there', 'remove this key'),
      no('gives a client that asks again whatever server takes new sessions then', 'remove this key'),
    ],
    'false',
  ),
  row('on_marked_down', everywhere),
  row('shutdown_grace', everywhere),
  row('on_marked_up', everywhere),
  row('check', everywhere),
  row('agent_check', everywhere),
  row('observe', [yes, no('does not see what servers answer to a connect', 'remove this key')], null, observed),
  row('servers.address', everywhere),
  row(
    'servers.address',
    [
      no('translates within one family of addresses, and this server lacks that of a bind', oneFamily),
      no('reaches a server by its address of the same family, and this server lacks that of a bind', oneFamily),
    ],
    'of another family than a bind',
    serversOfOtherFamily,
  ),
  row(
    'servers.address',
    [
      no('forwards to other addresses than those of the loopback', hostsAddress),
      no('passes frames to servers on the network, and none leads to a loopback address', hostsAddress),
    ],
    'a loopback address',
    serversOnLoopback,
  ),
  row('servers.name', [tooLong, tooLong], 'too long together with that of the listener', namesTooLong),
  row('servers.weight', everywhere),
  row('servers.backup', everywhere),
  row(
    'servers.max_connections',
    [
      nearly(
        `A client goes to a server that has room; of many who come in the same moment some are refused. ${noRoom}`,
      ),
      no(
        'chooses by a hash that every balancer computes alike, and passes no full server over',
        'write max_connections of the listener, or weights',
      ),
    ],
    null,
    limitedServers,
  ),
]
