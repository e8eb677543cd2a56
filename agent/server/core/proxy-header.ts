// The header of the PROXY protocol that load balancers may put before what a client says: how long it is, no more.

/** How many bytes it takes; 0 where there is none, null where what is there may become one. */
export type ProxyHeader = number | null

const signature2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const fixedBytes2 = 16
const lengthOffset2 = 14
/** Addresses and what vendors add to them. */
const longest2 = 2048
const word1 = Buffer.from('PROXY ', 'latin1')
const longest1 = 107

/** Looks at the first bytes of a connection. Whom the header names plays no part: anybody may write it. */
export const proxyHeaderLength = (bytes: Buffer): ProxyHeader => {
  if (bytes.length === 0) return 0
  if (agrees(bytes, signature2)) {
    if (bytes.length < fixedBytes2) return null
    const length = fixedBytes2 + bytes.readUInt16BE(lengthOffset2)
    if (length > longest2) return 0
    return length <= bytes.length ? length : null
  }
  if (!agrees(bytes, word1)) return 0
  const end = bytes.indexOf('\r\n')
  if (end < 0) return bytes.length < longest1 ? null : 0
  return end + 2 <= longest1 ? end + 2 : 0
}

/** Whether both are the same as far as the shorter one goes. */
const agrees = (bytes: Buffer, word: Buffer): boolean => {
  const length = Math.min(bytes.length, word.length)
  return bytes.subarray(0, length).equals(word.subarray(0, length))
}
