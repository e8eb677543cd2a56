// An IPv4 packet around a VRRP message, as a raw socket would deliver it.

const headerLength = 20

/** `payload` from one address to another, with TTL 255 and protocol 112. */
export const ipv4Packet = (
  payload: Uint8Array,
  { source, destination }: { readonly source: string; readonly destination: string },
): Uint8Array => {
  const packet = new Uint8Array(headerLength + payload.length)
  packet.set([0x45, 0xc0, packet.length >> 8, packet.length & 0xff, 0, 0, 0, 0, 255, 112])
  packet.set([...source.split('.'), ...destination.split('.')].map(Number), 12)
  packet.set(payload, headerLength)
  return packet
}
