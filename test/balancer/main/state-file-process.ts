// Keeps a state file on a disk of its own, in a mount namespace of its own, and does to that disk what is told on standard input.
// Run without root's powers over files of others, as the director is.

import { writeSync } from 'node:fs'
import { pino } from 'pino'
import { keepStateFile } from '../../../balancer/main/state-file.ts'

const [, , path = '', bytes = '0'] = process.argv
const text = 'x'.repeat(Number(bytes))
const log = pino({ base: null }, { write: (line: string) => void writeSync(1, line) })
const file = keepStateFile({ path, text: () => text, log, pace: { soon: 10, usual: 20 } })
process.stdin.on('end', () => void file.stop().then(() => process.exit(0))).resume()
