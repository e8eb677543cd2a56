// `admin.socket`: where commands are taken, who may connect, and what each socket allows.

import * as z from 'zod'
import { levels } from '../admin/core/commands/command.ts'
import { defaultSocket } from './places.ts'
import { oneOrMore, path, withShort } from './shapes.ts'

// Longer paths do not fit into the kernel's sockaddr_un, and are cut off without a word.
const tooLong = { error: 'a socket path has at most 107 bytes' }
const socketPath = path.max(107, tooLong).refine((text) => Buffer.byteLength(text) <= 107, tooLong)

const octal = 8
// YAML reads 0660 as the number 660, and 0o660 as 432.
const mode = z
  .string({ error: "write the mode in quotes: '0660'" })
  .regex(/^0?[0-7]{3}$/, { error: "a mode is three octal digits, such as '0660'" })
  .transform((text) => Number.parseInt(text, octal))

const place = z.strictObject({
  path: socketPath,
  level: z.enum(levels).default('admin'),
  mode: mode.prefault('0660'),
  group: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]{0,31}$/i, { error: 'write the name of a group' })
    .optional(),
})

/** One path, or a list of sockets; a path alone is a socket for orders, for root and its group. */
export const socketSchema = oneOrMore(
  withShort(
    z.preprocess((value) => (typeof value === 'string' ? { path: value } : value), place),
    socketPath,
  ),
).prefault(defaultSocket)
