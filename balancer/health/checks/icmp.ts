// Checks a host by an ICMP echo (layer 3).

import type { IcmpCheckConfig } from '../../config/schema.ts'
import { FailedStart } from '../../core/failed-start.ts'
import type { Family } from '../../core/ip-address.ts'
import { isBarred, shortageOf } from '../../core/shortage.ts'
import { isTrackingFull } from '../../os/host-limits.ts'
import { openPinger, type Pinger } from '../../os/ping.ts'
import { failed, type Judgement, notMade, passed } from '../core/result.ts'
import { type Probe, startDeadline } from './probe.ts'

/** Opens the socket that all echo checks of one family in this process share. Throws `FailedStart`. */
export const openSharedPinger = (family: Family): Pinger => {
  const opened = openPinger(family)
  if (opened.ok) return opened.value
  throw new FailedStart(`a check of type icmp needs a raw socket: ${opened.text}; run as root or with CAP_NET_RAW`)
}

/** A check that pings `address`. */
export const createIcmpProbe = (address: string, { timeout }: IcmpCheckConfig, pinger: Pinger): Probe => ({
  run: () =>
    new Promise((resolve) => {
      const settle = (judgement: Judgement): void => {
        cancel()
        forget()
        resolve(judgement)
      }
      const cancel = startDeadline(timeout, () =>
        settle(
          isTrackingFull()
            ? notMade('connection-tracking', 'timeout')
            : failed('L3TOUT', 'timeout', `no echo within ${timeout} ms`),
        ),
      )
      const forget = pinger.ping(address, (outcome) =>
        settle(outcome.ok ? passed('L3OK', 'the host answers') : notSent(outcome.code, outcome.text)),
      )
    }),
  close: () => {},
})

const notSent = (code: string, text: string): Judgement => {
  const shortage = isBarred(code) && isTrackingFull() ? 'connection-tracking' : shortageOf(code)
  return shortage === undefined ? failed('L3CON', 'unreachable', text) : notMade(shortage, code)
}
