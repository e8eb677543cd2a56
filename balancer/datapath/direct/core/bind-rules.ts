// What a packet of a client meets at a bind: it begins a session, belongs to one that is remembered, or is of one that is not.

import type { Endpoint } from '../../../core/endpoint.ts'
import type { SlotTable } from '../../../pool/core/slot-table.ts'
import { type IpVersion, versionOf } from '../../rules/core/ip-version.ts'
import type { Chain } from '../../rules/core/table.ts'
import type { DirectListener } from './direct-listener.ts'
import { prefixRules, sessionKey, slotHash } from './flow-map.ts'
import { closingBit, endedBit, markText, numberMask } from './flow-marks.ts'
import {
  accessChain,
  bindKey,
  establishedMap,
  flowsName,
  outChain,
  refusalCounter,
  slotMap,
  type TurnedAway,
  wayChain,
} from './names.ts'

/** A flood of SYNs goes away by itself; a client that is answered has said something within this time. */
const leastConnect = 10
/** After FIN or RST, and until the second packet of a session whose beginning was not seen. */
const shortSeconds = 60

/** What hangs on the rest of the table. */
export type BindSurroundings = {
  /** The set of MAC addresses whose frames are for the server here; null where none is here. */
  readonly peerSet: string | null
  readonly hasAccessRules: (version: IpVersion) => boolean
  /** Has a frame leave for the server that the mark names; the statement given stands in it once the server is found. */
  readonly leave: ((remember: string) => string) | null
}

/** The chain that the bind's packets go to. */
export const bindChain = ({ address, port }: Endpoint): string => `bind/${bindKey(address, port)}`

/** Counts, and resets the client. */
export const resetFor = (reason: TurnedAway, listener: string): string =>
  `counter name "${refusalCounter(reason, listener)}" reject with tcp reset`

/** The chains of a bind; those that others go to first. */
export const bindChains = (
  listener: DirectListener,
  bind: Endpoint,
  { peerSet, hasAccessRules, leave }: BindSurroundings,
): readonly Chain[] => {
  const { name, table, established = table, admits, timeouts } = listener
  const version = versionOf(bind.address)
  const key = sessionKey(version)
  const flows = `@${flowsName(bind.address, bind.port)}`
  const id = bindKey(bind.address, bind.port)
  const out = `goto ${outChain(name)}`
  const remember = (seconds: number): string => `update ${flows} { ${key} timeout ${seconds}s : meta mark }`
  const forget = `delete ${flows} { ${key} : meta mark }`
  const withMark = (what: string): string => `meta mark set meta mark ${what}`
  const has = (bits: number, is: '==' | '!='): string => `meta mark and ${markText(bits)} ${is} ${markText(0)}`
  const number = withMark(`and ${markText(numberMask)}`)
  const byTable = (of: SlotTable, map: string): string => `meta mark set ${slotHash(version, of)} map @${map}`
  const held = `counter name "${refusalCounter('held', name)}" drop`
  const isFormer = listener.former?.includes(bind) === true
  const refused = admits === 'none' ? resetFor('no-server', name) : held
  const closed = isFormer ? 'accept' : refused

  const syn = byTable(table, slotMap(name))
  const begun = [
    forget,
    ...prefixRules(version),
    `${syn} ${remember(Math.max(leastConnect, secondsOf(timeouts.connect)))} ${out}`,
    // The map is full.
    `${syn} ${out}`,
    closed,
  ]
  const other = byTable(established, established === table ? slotMap(name) : establishedMap(name))
  const chain = (kind: string, rules: readonly string[]): Chain => ({ name: `${kind}/${id}`, hook: null, rules })
  return [
    chain(
      'unknown',
      isFormer
        ? [closed]
        : [...prefixRules(version), `${other} ${remember(shortSeconds)} ${out}`, `${other} ${out}`, closed],
    ),
    chain(
      'new',
      isFormer
        ? [forget, closed]
        : [
            ...(hasAccessRules(version) ? [`jump ${accessChain(version, name)}`] : []),
            ...(admits === 'all' ? begun : [closed]),
          ],
    ),
    // Ended, or about to.
    chain('over', [
      `${has(endedBit, '!=')} ${resetFor('ended', name)}`,
      `${remember(shortSeconds)} ${number} ${out}`,
      `${number} ${out}`,
    ]),
    chain('known', [`${has(endedBit | closingBit, '!=')} goto over/${id}`, remember(secondsOf(timeouts.idle)), out]),
    // FIN, RST, or what no honest client sends. The server of an ended session hears its reset.
    chain('ending', [
      `${has(endedBit, '!=')} tcp flags and rst == 0x0 ${resetFor('ended', name)}`,
      `${has(endedBit, '!=')} ${number} ${out}`,
      // An update does not change what is remembered.
      `tcp flags and (fin | rst) != 0x0 ${forget} ${withMark(`or ${markText(closingBit)}`)} ${remember(shortSeconds)}`,
      `${number} ${out}`,
    ]),
    chain('flags', [
      `tcp flags and (fin | syn | rst | ack) == syn goto new/${id}`,
      `meta mark set ${key} map ${flows} goto ending/${id}`,
      ...(isFormer
        ? []
        : [
            // A kernel that knows of no such connection says so, as a balancer's does of its own probes: nobody's session, nobody's traffic.
            `tcp flags and (rst | ack) == rst ${other} goto ${wayChain(name)}`,
            // Of a session that another balancer has: it is told that this is over.
            `${other} ${withMark(`or ${markText(closingBit)}`)} ${remember(shortSeconds)} ${number} ${out}`,
            `${other} ${out}`,
          ]),
      closed,
    ]),
    {
      name: bindChain(bind),
      hook: null,
      rules: [
        ...(peerSet === null ? [] : [`ether saddr @${peerSet} accept`]),
        // Nearly all packets go by this one rule: each further one would ask again what they are. What ended or is about to has
        // a mark that is no server's, and goes on to the next rule.
        ...(leave === null
          ? []
          : [
              `tcp flags and (fin | syn | rst) == 0x0 meta mark set ${key} map ${flows} ${leave(remember(secondsOf(timeouts.idle)))}`,
            ]),
        `tcp flags and (fin | syn | rst) != 0x0 goto flags/${id}`,
        `meta mark set ${key} map ${flows} goto known/${id}`,
        `goto unknown/${id}`,
      ],
    },
  ]
}

const secondsOf = (duration: number): number => Math.max(1, Math.ceil(duration / 1000))
