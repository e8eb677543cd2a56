// The C library, called through koffi. The only file that touches the module koffi.

import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')

/** socket(2) */
export const callSocket: (domain: number, type: number, protocol: number) => number = libc.func(
  'int socket(int domain, int type, int protocol)',
)

/** setsockopt(2) with an integer */
export const callSetSocketOption: (
  descriptor: number,
  level: number,
  option: number,
  value: Uint8Array,
  length: number,
) => number = libc.func('int setsockopt(int fd, int level, int option, void *value, uint32_t length)')

/** bind(2) */
export const callBind: (descriptor: number, address: Uint8Array, length: number) => number = libc.func(
  'int bind(int fd, void *address, uint32_t length)',
)

/** connect(2) */
export const callConnect: (descriptor: number, address: Uint8Array, length: number) => number = libc.func(
  'int connect(int fd, void *address, uint32_t length)',
)

/** getsockname(2); `length` holds the room of `address`, and what is used of it. */
export const callGetSocketName: (descriptor: number, address: Uint8Array, length: Uint8Array) => number = libc.func(
  'int getsockname(int fd, _Out_ void *address, _Inout_ void *length)',
)

/** if_nametoindex(3); 0 where this network has no such interface. */
export const callInterfaceIndex: (name: string) => number = libc.func('unsigned int if_nametoindex(const char *name)')

/** listen(2) */
export const callListen: (descriptor: number, backlog: number) => number = libc.func('int listen(int fd, int backlog)')

/** sched_setscheduler(2); `parameters` is a struct sched_param. */
export const callSetScheduler: (pid: number, policy: number, parameters: Uint8Array) => number = libc.func(
  'int sched_setscheduler(int pid, int policy, void *parameters)',
)

/** sendto(2) */
export const callSendTo: (
  descriptor: number,
  data: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array,
  addressLength: number,
) => number | bigint = libc.func(
  'int64_t sendto(int fd, void *data, size_t length, int flags, void *address, int size)',
)

/** recv(2) */
export const callReceive: (descriptor: number, buffer: Uint8Array, length: number, flags: number) => number | bigint =
  libc.func('int64_t recv(int fd, _Out_ void *buffer, size_t length, int flags)')

/** recvmmsg(2) without a limit of time; `messages` are `count` of struct mmsghdr. */
export const callReceiveMany: (
  descriptor: number,
  messages: Uint8Array,
  count: number,
  flags: number,
  timeout: null,
) => number = libc.func('int recvmmsg(int fd, _Inout_ void *messages, unsigned int count, int flags, void *timeout)')

/** _exit(2): ends this process at once, whatever its threads wait for. */
export const callExit: (code: number) => void = libc.func('void _exit(int status)')

/** close(2) */
export const callClose: (descriptor: number) => number = libc.func('int close(int fd)')

/** syscall(2) close_range, the same number on every architecture; glibc has a function of its own only since 2.34. */
const callSyscall: (number: number, first: number, last: number, flags: number) => number | bigint = libc.func(
  'int64_t syscall(int64_t number, unsigned int first, unsigned int last, unsigned int flags)',
)
const closeRange = 436
const lastDescriptor = 0xffff_ffff
const onExec = 4
const firstAfterStandard = 3

/** Keeps all files and sockets of this process from the programs that it starts; false where the kernel is older than 5.11. */
export const keepDescriptors = (): boolean =>
  Number(callSyscall(closeRange, firstAfterStandard, lastDescriptor, onExec)) === 0

/** The name of the error of the last call that failed, such as `EPERM`. */
export const lastError = (): string => getSystemErrorName(-koffi.errno())

/** Where the bytes are in memory; they must be kept as long as anybody reads them there. */
export const addressInMemory = (bytes: Uint8Array): bigint => koffi.address(bytes)
