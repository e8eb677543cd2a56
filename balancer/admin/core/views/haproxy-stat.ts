// Which rows of the statistics `show stat` answers.

import type { Status } from '../model/status.ts'
import { type CsvRow, csvRows, csvText } from './csv.ts'

/** HAProxy's bits of what is asked for, by the type of a row: frontend, backend, server. */
const bitOfType: readonly number[] = [1, 2, 4]
const serverType = 2
const all = -1

/**
 * The statistics, or what is wrong with the words: `<iid> <type> <sid>` chooses rows, -1 is all of them, and a listener's name may
 * stand for its number; `up` leaves out servers that are down, `no-maint` those in maintenance.
 */
export const statText = (status: Status, words: readonly string[]): { readonly ok: boolean; readonly text: string } => {
  const format = words.find((word) => word === 'typed' || word === 'json')
  if (format !== undefined) {
    const text = `show stat answers CSV here, not ${format}; for programs there is show status --json`
    return { ok: false, text }
  }
  const isChosen = chooserOf(words)
  const leavesOut = (row: CsvRow): boolean =>
    row['type'] === serverType &&
    ((words.includes('up') && !/^(UP|DRAIN|NOLB|no check)/.test(`${row['status']}`)) ||
      (words.includes('no-maint') && row['status'] === 'MAINT'))
  return { ok: true, text: csvText(csvRows(status).filter((row) => isChosen(row) && !leavesOut(row))) }
}

const chooserOf = ([proxy, type, server]: readonly string[]): ((row: CsvRow) => boolean) => {
  const [types, sid] = [numberIn(type), numberIn(server)]
  if (proxy === undefined || types === undefined || sid === undefined) return () => true
  const iid = numberIn(proxy)
  return (row) =>
    (iid === all || (iid === undefined ? row['pxname'] === proxy : row['iid'] === iid)) &&
    (types === all || (types & (bitOfType[Number(row['type'])] ?? 0)) !== 0) &&
    (sid === all || row['sid'] === sid)
}

const numberIn = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined
