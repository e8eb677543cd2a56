// The line that HAProxy's agent-check reads (docs of HAProxy, keyword agent-check).

import type { HealthReport } from '../../../shared/health-report.ts'
import { oneLine } from '../../core/text.ts'

/** `none` leaves HAProxy's weight alone. What `drain` and `maint` set, the next passing answer takes back with `ready`. */
export type AgentLineStyle = {
  readonly weight: 'none' | 'headroom'
  readonly on_force_fail: 'down' | 'drain' | 'maint'
}

const reasonLength = 128
/** 0% would take the server out without saying so. */
const leastPercent = 1

/** `up`, `up 75%`, `ready up`, `drain`, `maint` or `down #reason`, ended by a line feed. */
export const agentLine = (
  { verdict, reason, connections_free_percent }: HealthReport,
  style: AgentLineStyle,
): string => {
  const { weight, on_force_fail } = style
  if (verdict === 'fail') {
    if (reason.code === 'force-fail' && on_force_fail !== 'down') return `${on_force_fail}\n`
    const text = oneLine(`${reason.code}: ${reason.text}`, reasonLength).replace(/[^ -~]|#/g, '?')
    return `down #${text}\n`
  }
  const percent = connections_free_percent === null ? null : Math.max(leastPercent, Math.ceil(connections_free_percent))
  return [
    // HAProxy cancels what an operator set there when it reads `ready`, so it is sent only where it is needed.
    ...(on_force_fail === 'down' ? [] : ['ready']),
    'up',
    ...(weight === 'headroom' && percent !== null ? [`${percent}%`] : []),
  ]
    .join(' ')
    .concat('\n')
}
