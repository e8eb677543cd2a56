// The program ip of iproute2: addresses on the loopback interface, and who holds an address. The only file that starts it.

import { execFileSync } from 'node:child_process'
import * as z from 'zod'
import { type Answer, runProgram } from './run-program.ts'

const found = 'iproute2'
const loopback = 'lo'

/**
 * Puts an address on the loopback interface, for this host alone. An IPv4 address gets the scope host: nobody who looks for
 * an address of this host (hostname -I, Galera, a routing daemon) finds it. An IPv6 address is deprecated from the start:
 * it is taken in, and never chosen for a connection that begins here.
 */
export const addToLoopback = (address: string): Promise<Answer> =>
  runProgram('ip', ['address', 'add', prefixed(address), 'dev', loopback, ...manner(address)], { found })

/** Takes it away again. */
export const removeFromLoopback = (address: string): Promise<Answer> =>
  runProgram('ip', ['address', 'delete', prefixed(address), 'dev', loopback], { found })

const isIpv6 = (address: string): boolean => address.includes(':')
const prefixed = (address: string): string => `${address}/${isIpv6(address) ? 128 : 32}`
const manner = (address: string): readonly string[] =>
  isIpv6(address) ? ['preferred_lft', '0', 'nodad'] : ['scope', 'host']

const forever = 0xff_ff_ff_ff
const listed = z.array(
  z.object({
    ifname: z.string(),
    addr_info: z.array(z.object({ local: z.string().optional(), valid_life_time: z.number().optional() })).default([]),
  }),
)

/** The interface, other than lo, that holds an address for good: without a lease, as a balancer gives it one. Null: none. */
export const permanentHolder = (address: string): string | null => {
  try {
    const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
    const said = execFileSync('ip', ['-j', 'address', 'show'], {
      env,
      timeout: 2000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const holder = listed
      .parse(JSON.parse(said.toString()))
      .find(
        ({ ifname, addr_info }) =>
          ifname !== loopback && addr_info.some((one) => one.local === address && one.valid_life_time === forever),
      )
    return holder?.ifname ?? null
  } catch {
    // What the system does not tell is no reason to refuse a configuration.
    return null
  }
}
