// What the runtime socket understands, wired to those who know the answers.

import { type RuntimeCommand, RuntimeError } from '../admin/runtime-socket.ts'
import type { ReloadResult } from '../supervisor/messages.ts'

/** Makes the table of commands. */
export const runtimeCommands = (
  requestReload: () => Promise<ReloadResult>,
): Readonly<Record<string, RuntimeCommand>> => ({
  reload: async () => {
    const { ok, lines } = await requestReload()
    if (!ok) throw new RuntimeError(lines.join('\n'))
    return lines.join('\n')
  },
})
