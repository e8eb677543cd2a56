// The packet that has the other side of a forgotten session speak up. Its kernel answers a SYN in the middle of a session with a
// challenge ACK (RFC 5961 section 4.2), which meets nothing here, so that this host's own stack resets it with the right number.

import { tcpFlags, tcpPacket } from '../../core/tcp-packet.ts'

/**
 * Who seems to speak, and to whom; addresses of 4 or 16 bytes. `isAnswer`: it has the form of a SYN-ACK, which is answered in the
 * same way (there: irrespective of its sequence number). To whoever began the session it passes a firewall on the way that knows the
 * session, where a SYN in that direction is invalid (nf_conntrack_proto_tcp.c: sIG and sIV), and one who just begins a new one
 * refuses it and asks again, where a SYN would be a simultaneous open (RFC 9293 section 3.5).
 * `link`: it goes to this neighbour as a frame, whatever the routes say; else as any packet of this host. `isTracked`: connection
 * tracking sees it, since the session to this host hangs on a translation there.
 */
export type ForgedSyn = {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
  readonly isAnswer?: boolean
  readonly link?: Link
  readonly isTracked?: boolean
}

/** The way to a neighbour: the interface of this host, and both Ethernet addresses of 6 bytes. */
export type Link = { readonly device: string; readonly from: Uint8Array; readonly to: Uint8Array }

/**
 * The mark of these packets (SO_MARK), by which the rules keep them out of connection tracking: they would leave an entry behind
 * that the client's next session meets.
 */
export const forgedMark = 0xb1fe0001

/** A whole IP packet. `sequence` is any number, and what is acknowledged too: the answer does not depend on them. */
export const forgedSyn = (syn: ForgedSyn, sequence: number): Uint8Array =>
  tcpPacket({
    ...syn,
    sequence,
    acknowledgement: syn.isAnswer ? ~sequence >>> 0 : 0,
    flags: syn.isAnswer ? tcpFlags.syn | tcpFlags.ack : tcpFlags.syn,
  })
