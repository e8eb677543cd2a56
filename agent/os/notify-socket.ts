// Datagrams to systemd's notification socket, sd_notify(3): Node itself has no sockets of that kind.

import koffi from 'koffi'

/** Sends one message; false where the socket did not take it. */
export type NotifySocket = (message: string) => boolean

const afUnix = 1
const sockDgram = 2
const sockCloexec = 0o2000000
const msgNoSignalNoWait = 0x4040
const failed = -1

/** A sender to the socket at `path`; a leading `@` stands for the abstract namespace. Throws without a C library. */
export const openNotifySocket = (path: string): NotifySocket => {
  const libc = koffi.load('libc.so.6')
  const socket = libc.func('int socket(int domain, int type, int protocol)')
  const sendto = libc.func(
    'int64_t sendto(int fd, const void *buffer, size_t length, int flags, const void *address, uint32_t addressLength)',
  )
  const fd: number = socket(afUnix, sockDgram | sockCloexec, 0)
  const family = Buffer.alloc(2)
  family.writeUInt16LE(afUnix)
  const address = Buffer.concat([family, Buffer.from(path.replace(/^@/, '\0'))])
  return (message) => {
    const bytes = Buffer.from(message)
    return (
      fd !== failed && Number(sendto(fd, bytes, bytes.length, msgNoSignalNoWait, address, address.length)) !== failed
    )
  }
}
