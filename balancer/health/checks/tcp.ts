// Checks a server by connecting to it (HAProxy: `check` alone).

import type { TcpCheckConfig } from '../../config/schema.ts'
import type { Endpoint } from '../../config/values.ts'
import { passed } from '../core/result.ts'
import { exchange } from './exchange.ts'
import type { Probe } from './probe.ts'

const connected = passed('L4OK', 'connected')

/** A check that connects to the server's port, or another one, and hangs up. */
export const createTcpProbe = ({ address, port }: Endpoint, config: TcpCheckConfig): Probe => ({
  run: () => exchange({ address, port: config.port ?? port, timeout: config.timeout, judge: () => connected }),
  close: () => {},
})
