// Which rows of the statistics `show stat` answers.

import { haproxyRefusals } from '../commands/command.ts'
import type { Status } from '../model/status.ts'
import { type CsvRow, csvRows, csvText, proxyNumber } from './csv.ts'
import { typedFormatIn, typedRows } from './haproxy-typed.ts'

/** HAProxy's bits of what is asked for, by the type of a row: frontend, backend, server. */
const bitOfType: readonly number[] = [1, 2, 4]
const serverType = 2
const all = -1

/**
 * The statistics, or HAProxy's word for a listener that is not there. `<iid> <type> <sid>` chooses rows: -1 is all of them, and a listener's name may
 * stand for its number. `typed` and `json` are formats, `up` leaves out servers that are down, `no-maint` those in maintenance.
 */
export const statText = (status: Status, words: readonly string[]): string => {
  const [proxy, type, server, ...rest] = words
  const isBound = proxy !== undefined && type !== undefined && server !== undefined
  const wanted = isBound ? rest : words
  const isChosen = isBound ? chooserOf(status, proxy, type, server) : () => true
  if (isChosen === undefined) return haproxyRefusals.noProxy
  const leavesOut = (row: CsvRow): boolean =>
    row['type'] === serverType &&
    ((wanted.includes('up') && !/^(UP|DRAIN|NOLB|no check)/.test(`${row['status']}`)) ||
      (wanted.includes('no-maint') && row['status'] === 'MAINT'))
  const rows = csvRows(status).filter((row) => isChosen(row) && !leavesOut(row))
  const format = typedFormatIn(wanted)
  return format === undefined ? csvText(rows) : typedRows(rows, format)
}

/** Undefined: there is no such listener. */
const chooserOf = (
  { listeners }: Status,
  proxy: string,
  type: string,
  server: string,
): ((row: CsvRow) => boolean) | undefined => {
  const [number, types, sid] = [proxy, type, server].map(numberIn)
  const named = listeners.findIndex(({ name }) => name === proxy)
  if (number === 0 && named < 0) return undefined
  const iid = number === 0 ? proxyNumber(named) : number
  return (row) =>
    (iid === all || row['iid'] === iid) &&
    (types === all || ((types ?? 0) & (bitOfType[Number(row['type'])] ?? 0)) !== 0) &&
    (sid === all || row['sid'] === sid)
}

/** As atoi(3), which HAProxy uses: what is no number is 0. */
const numberIn = (text: string): number => Number(/^[+-]?\d+/.exec(text)?.[0] ?? 0)
