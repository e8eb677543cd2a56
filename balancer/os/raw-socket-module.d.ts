// The part of the npm module raw-socket that raw-socket.ts uses; the module has no types of its own.

declare module 'raw-socket' {
  type NativeSocket = {
    recv(buffer: Buffer, onPacket: (buffer: Buffer, bytes: number, source: string) => void): void
    send(buffer: Buffer, offset: number, length: number, address: string, onSent: (bytes: number) => void): void
  }
  type Socket = {
    readonly buffer: Buffer
    readonly wrap: NativeSocket
    close(): void
    setOption(level: number, option: number, value: number): void
    setOption(level: number, option: number, value: Buffer, length: number): void
    on(event: 'message', listener: (packet: Buffer, source: string) => void): void
    on(event: 'error', listener: (error: Error) => void): void
  }
  export const createSocket: (options: { protocol: number; addressFamily?: 1 | 2; bufferSize?: number }) => Socket
}
