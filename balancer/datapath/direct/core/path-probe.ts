// A test of the way to a server and of its answer: a SYN as a client would send it, which is taken back when the server's kernel has
// answered. The server program hears nothing of it: the handshake never comes to its end.

import { type Endpoint, endpointText } from '../../../core/endpoint.ts'
import { addressBytes } from '../../../core/ip-address.ts'
import { frameOf, type ReadFrame, tcpFlags, tcpPacket } from '../../core/tcp-packet.ts'

/** Whom to try, from where: the bind as clients ask for it, the server's MAC address, and this host's own on that segment. */
export type Probe = {
  readonly bind: Endpoint
  readonly server: { readonly mac: Uint8Array }
  readonly own: { readonly mac: Uint8Array; readonly address: string; readonly port: number }
  readonly sequence: number
}

/**
 * What came of it. `elsewhere`: another host has answered, to which the server has passed the packet on. `refused`: it has the
 * address, and nobody listens there.
 */
export type ProbeResult = 'answers' | 'refused' | 'silent' | 'elsewhere'

/**
 * Ports that a probe comes from: above those that Linux gives to connections of its own (net.ipv4.ip_local_port_range).
 * Answers meet no socket here: the kernel's reset goes on to the server, as that of any client without a session.
 */
export const [firstProbePort, lastProbePort] = [61_000, 65_535]

/**
 * One more hop than to the server's own stack: a container that listens behind its host's translation is one hop away. A server that is
 * not prepared but forwards would send it back to a balancer, and from there it gets no further than to one more server.
 */
const hops = 2

/** The frame that asks. */
export const askingFrame = (probe: Probe): Uint8Array => frameTo(probe, probe.sequence, tcpFlags.syn)

/** The frame that takes it back. */
export const takingBackFrame = (probe: Probe): Uint8Array => frameTo(probe, (probe.sequence + 1) >>> 0, tcpFlags.rst)

const frameTo = ({ bind, server, own }: Probe, sequence: number, flags: number): Uint8Array =>
  frameOf(
    tcpPacket({
      source: Uint8Array.from(addressBytes(own.address)),
      destination: Uint8Array.from(addressBytes(bind.address)),
      sourcePort: own.port,
      destinationPort: bind.port,
      acknowledgement: 0,
      hopLimit: hops,
      ...{ sequence, flags },
    }),
    { from: own.mac, to: server.mac },
  )

/** What a frame says about a probe; null where it is not about that. `others` are the MAC addresses of the other servers. */
export const resultIn = (
  frame: ReadFrame,
  { bind, server, own, sequence }: Probe,
  others: readonly Uint8Array[],
): ProbeResult | null => {
  const isAbout =
    frame.source === bind.address &&
    frame.sourcePort === bind.port &&
    frame.destination === own.address &&
    frame.destinationPort === own.port &&
    frame.acknowledgement === (sequence + 1) >>> 0
  if (!isAbout) return null
  const isFrom = (mac: Uint8Array): boolean => mac.every((byte, i) => byte === frame.from[i])
  // A server may answer by another of its cards; that of another server is none of them.
  if (!isFrom(server.mac) && others.some(isFrom)) return 'elsewhere'
  if ((frame.flags & tcpFlags.rst) !== 0) return 'refused'
  return (frame.flags & tcpFlags.syn) !== 0 ? 'answers' : null
}

const status = 'run there: mysqlchk-agent direct-return status'

/** What is wrong, as a sentence behind the server's name; null where nothing is. */
export const probeText = (result: ProbeResult, bind: Endpoint): string | null => {
  const place = endpointText(bind)
  switch (result) {
    case 'answers':
      return null
    case 'silent':
      return `does not answer for ${place}: it is not prepared for direct return, or a firewall is in the way; ${status}`
    case 'refused':
      return `refuses connections to ${place}: nothing listens there, or its port is not redirected; ${status}`
    case 'elsewhere':
      return `forwards what is sent to ${place} instead of answering: it is not prepared for direct return; ${status}`
    default:
      return result satisfies never
  }
}
