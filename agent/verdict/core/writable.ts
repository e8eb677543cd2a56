// Whether a server takes writes, by its own flags.

import type { Words } from '../../probe/core/facts.ts'
import type { Reason } from './reason.ts'

/** Flags that keep a server from taking writes. */
export const readOnlyFlags = ['read_only', 'super_read_only', 'innodb_read_only']

/** The flags that are set; null where the server tells none of them. MariaDB 12 has further values beside ON. */
export const setFlags = (words: Words): readonly string[] | null => {
  const told = readOnlyFlags.filter((name) => words[name] !== undefined)
  return told.length === 0 ? null : told.filter((name) => words[name] !== 'OFF' && words[name] !== '0')
}

/** MySQL lets only administrators in then; a check user with such a privilege would not notice. */
export const offlineObjection = (words: Words): Reason | null =>
  words['offline_mode'] === 'ON' ? { code: 'maintenance-mode', text: 'offline_mode is ON' } : null
