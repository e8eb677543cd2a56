// The two formats of `show stat` and `show info` in which every value says what it is (HAProxy's management guide, sections 9.1.2
// and 9.3): `typed`, a line for each, and `json`, which says the same.

import { printableJson } from '../../../core/text.ts'
import { type CsvRow, csvColumns } from './csv.ts'

/** One of them. */
export type TypedFormat = 'typed' | 'json'

/** Which one somebody asks for, the last of several; undefined: none. */
export const typedFormatIn = (words: readonly string[]): TypedFormat | undefined =>
  words.findLast((word): word is TypedFormat => word === 'typed' || word === 'json')

/** The letters of HAProxy's tags: where a value comes from, what it is, and of what. Large and small `a` are two. */
const origins: Readonly<Record<string, string>> = {
  M: 'Metric',
  S: 'Status',
  K: 'Key',
  C: 'Config',
  P: 'Product',
}
const natures: Readonly<Record<string, string>> = {
  A: 'Age',
  a: 'Avg',
  C: 'Counter',
  D: 'Duration',
  G: 'Gauge',
  L: 'Limit',
  M: 'Max',
  N: 'Name',
  O: 'Output',
  R: 'Rate',
}
const scopes: Readonly<Record<string, string>> = { P: 'Process', S: 'Service' }

const kindsOf = (names: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(names).flatMap(([kind, all]) => all.split(' ').map((name) => [name, kind] as const)))

/** Names by tags and type, as HAProxy 2.6 and later give them. */
const statKinds = kindsOf({
  'KNS:str': 'pxname svname',
  'KGS:u32': 'iid sid',
  'KGP:u32': 'pid',
  'CGS:u32': 'type check_rise check_fall check_health',
  'CGS:str': 'addr mode algo',
  'CLP:u32': 'slim rate_lim',
  'SGP:str': 'status',
  'SGP:u32': 'act bck',
  'MGP:u32': 'qcur scur',
  'MMP:u32': 'qmax smax rate_max conn_rate_max',
  'MRP:u32': 'rate conn_rate',
  'MaP:u32': 'weight throttle',
  'MAP:u32': 'lastchg',
  'MAP:s32': 'lastsess',
  'MCP:u32': 'downtime',
  'MCP:u64': 'stot bin bout dreq dresp ereq econ eresp wretr wredis chkfail chkdown lbtot conn_tot dcon dses',
  'MDP:u64': 'check_duration',
  'MOP:str': 'check_status last_chk last_agt agent_status check_desc agent_desc',
  'MOP:u32': 'check_code',
})
/** What is tagged otherwise in the row BACKEND. */
const backendKinds = kindsOf({ 'MGP:u32': 'act bck rate rate_max' })

const infoKinds = kindsOf({
  'POS:str': 'Name Version Release_date',
  'COS:str': 'node',
  'CGS:u32': 'Nbthread Nbproc',
  'KGP:u32': 'Process_num',
  'SGP:u32': 'Pid',
  'SGP:str': 'Tainted',
  'MDP:str': 'Uptime',
  'MDP:u32': 'Uptime_sec Start_time_sec',
  'CLP:u32':
    'Memmax_MB Ulimit-n Maxsock Maxconn Hard_maxconn Maxpipes ConnRateLimit SessRateLimit SslRateLimit CompressBpsRateLim Memmax_bytes',
  'MCP:u32': 'PoolFailed CumConns CumReq CumSslConns SslCacheLookups SslCacheMisses CumRecvLogs',
  'MMP:u32': 'MaxSslConns MaxConnRate MaxSslRate SslFrontendMaxKeyRate SslBackendMaxKeyRate',
  'MRP:u32': 'ConnRate SessRate MaxSessRate SslRate SslBackendKeyRate CompressBpsIn CompressBpsOut',
  'MaP:u32': 'Idle_pct',
  'MGP:u64': 'TotalBytesOut TotalSplicdedBytesOut PoolAlloc_bytes PoolUsed_bytes',
  'MRP:u64': 'BytesOutRate',
})
/** The one with a space in its name, and all others. */
const [buildInfo, usualInfo] = ['POS:str', 'MGP:u32']
/** Places between ours that belong to what only some builds of HAProxy have. */
const skipped: Readonly<Record<string, number>> = { Tasks: 2, Stopping: 1 }

type Value = string | number
/** What is written around every value of one name; made once, as a page of a thousand servers has forty thousand of them. */
type Frame = { readonly name: string; readonly isText: boolean; readonly typed: string; readonly json: string }

const frameOf = (position: number, name: string, kind: string): Frame => {
  const [origin = '', nature = '', scope = ''] = kind
  const type = kind.slice(kind.indexOf(':') + 1)
  const tags = { origin: origins[origin], nature: natures[nature], scope: scopes[scope] }
  const head = { field: { pos: position, name }, processNum: 1, tags }
  return {
    name,
    isText: type === 'str',
    typed: `${position}.${name}.1:${kind}:`,
    json: `${JSON.stringify(head).slice(1, -1)},"value":{"type":"${type}","value":`,
  }
}

const written = (format: TypedFormat, { isText, typed, json }: Frame, value: Value): string =>
  format === 'typed' ? `${typed}${value}` : `${json}${isText ? printableJson(JSON.stringify(`${value}`)) : value}}`

/** HAProxy's letter and word for a row, and its columns, by its type: frontend, backend, server. */
const objects = [
  { letter: 'F', word: 'Frontend', kinds: statKinds },
  { letter: 'B', word: 'Backend', kinds: new Map([...statKinds, ...backendKinds]) },
  { letter: 'S', word: 'Server', kinds: statKinds },
].map(({ kinds, ...names }) => ({
  ...names,
  frames: csvColumns.flatMap((name, position) => {
    const kind = kinds.get(name)
    return kind === undefined ? [] : [frameOf(position, name, kind)]
  }),
}))

/** Rows of the statistics; what a row has not is left out. */
export const typedRows = (rows: readonly CsvRow[], format: TypedFormat): string => {
  const all = rows.map((row) => {
    const object = objects[Number(row['type'])]
    const [iid, sid] = [row['iid'], row['sid']]
    const head =
      format === 'typed'
        ? `${object?.letter}.${iid}.${sid}.`
        : `{"objType":"${object?.word}","proxyId":${iid},"id":${sid},`
    const fields: string[] = []
    for (const frame of object?.frames ?? []) {
      const value = row[frame.name] ?? null
      if (value !== null) fields.push(`${head}${written(format, frame, value)}${format === 'json' ? '}' : ''}`)
    }
    return fields
  })
  return format === 'typed' ? all.flat().join('\n') : `[${all.map((fields) => `[${fields.join(',')}]`).join(',')}]`
}

/** `show info`, its keys in HAProxy's order. */
export const typedInfo = (values: Readonly<Record<string, Value>>, format: TypedFormat): string => {
  let position = -1
  const fields = Object.entries(values).map(([name, value]) => {
    position += 1 + (skipped[name] ?? 0)
    const kind = name === 'Build info' ? buildInfo : (infoKinds.get(name) ?? usualInfo)
    return written(format, frameOf(position, name, kind), value)
  })
  return format === 'typed' ? fields.join('\n') : `[${fields.map((field) => `{${field}}`).join(',')}]`
}
