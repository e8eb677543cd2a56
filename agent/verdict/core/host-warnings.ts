// Words for hosts that the server blocks, or soon will: no failure of the node, and yet clients there get error 1129.

import type { HostErrors } from '../../probe/core/facts.ts'

/** A warning for each host. */
export const hostWarnings = (hosts: readonly HostErrors[]): readonly string[] =>
  hosts.map(({ address, errors, most }) =>
    errors >= most
      ? `host ${address} is blocked (error 1129) after ${errors} logins that broke off; FLUSH HOSTS lets it in, host_cache_size = 0 blocks nobody`
      : `host ${address} has ${errors} logins that broke off, and at ${most} (max_connect_errors) it is blocked (error 1129)`,
  )
