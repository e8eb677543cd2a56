// What systemd wants to know: that we are ready, that we reload, that we stop, and that we still turn.

import type { NotifySocket } from './os/notify-socket.ts'

/** The service manager; without one every call is a no-op. */
export type ServiceManager = {
  readonly isThere: boolean
  readonly ready: () => void
  readonly reloading: () => void
  readonly stopping: () => void
  /** The line that `systemctl status` shows. */
  readonly status: (text: string) => void
  /** From now on the watchdog is fed as long as `isTurning` holds when our loop comes to ask. */
  readonly watch: (isTurning: () => boolean) => void
}

const absent: ServiceManager = {
  isThere: false,
  ready: () => undefined,
  reloading: () => undefined,
  stopping: () => undefined,
  status: () => undefined,
  watch: () => undefined,
}

const microsPerMilli = 1000
const nanosPerMicro = 1000n
/** systemd recommends to feed at half the time. */
const feedsPerPeriod = 2

/** Connects to the manager that the environment names. `complain` hears why that did not work. */
export const findServiceManager = async (
  environment: NodeJS.ProcessEnv,
  complain: (text: string) => void,
): Promise<ServiceManager> => {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: period, WATCHDOG_PID: watched } = environment
  if (path === undefined || path === '') return absent
  let send: NotifySocket
  try {
    const { openNotifySocket } = await import('./os/notify-socket.ts')
    send = openNotifySocket(path)
  } catch (error) {
    complain(`systemd cannot be told that the agent is ready: ${String(error)}`)
    return absent
  }
  const isWatched = watched === undefined || Number(watched) === process.pid
  const every = watchdogMillis(period)
  return {
    isThere: true,
    ready: () => void send('READY=1'),
    reloading: () => void send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / nanosPerMicro}`),
    stopping: () => void send('STOPPING=1'),
    status: (text) => void send(`STATUS=${text}`),
    watch: (isTurning) => {
      if (every === null || !isWatched) return
      setInterval(() => isTurning() && send('WATCHDOG=1'), every / feedsPerPeriod).unref()
    },
  }
}

const watchdogMillis = (micros: string | undefined): number | null => {
  const value = Number(micros ?? 0)
  return Number.isFinite(value) && value > 0 ? value / microsPerMilli : null
}
