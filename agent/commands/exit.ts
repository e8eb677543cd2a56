// Exit statuses, as sysexits.h has them.

/** What a command may end with. */
export const exitStatus = { ok: 0, failed: 1, usage: 64, config: 78 } as const

/** One of the exit statuses. */
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus]
