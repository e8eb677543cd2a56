// The smallest MySQL client there is: log in, ask one-value questions, leave. A tenth of the work of a full client, so
// that a probe with a hundred logins a second does not disturb what it measures.

import { createHash } from 'node:crypto'
import { createConnection, type Socket } from 'node:net'

/** Whom to ask, and as whom. Only mysql_native_password is spoken. */
export type SessionTarget = {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly password: string
}

/** What came of a login or a question; `reason` is a word to count by, such as `ECONNREFUSED` or `mysql-1040`. */
export type SessionOutcome =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly reason: string }

/** A session. It reports every outcome to the listener it was opened with; after a failure it is over. */
export type Session = {
  /** Sends a question; only one at a time. */
  readonly ask: (sql: string) => void
  /** Says goodbye; the server closes. Nothing is reported any more. */
  readonly quit: () => void
  /** Gives up at once. The failure is reported with this reason. */
  readonly abandon: (reason: string) => void
}

const headerBytes = 4
const okMarker = 0x00
const errorMarker = 0xff
const endMarker = 0xfe
const commandQuit = 0x01
const commandQuery = 0x03
const utf8mb4 = 45
const maximumPacket = 0x1000000
// LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
const capabilities = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000
const scrambleFirstPart = 8
const scrambleLength = 20
const quitGrace = 1000

const sha1 = (...parts: readonly Buffer[]): Buffer => {
  const hash = createHash('sha1')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const nativePassword = (password: string, scramble: Buffer): Buffer => {
  const once = sha1(Buffer.from(password))
  const mask = sha1(scramble, sha1(once))
  return Buffer.from(once.map((byte, index) => byte ^ (mask[index] ?? 0)))
}

const framed = (sequence: number, payload: Buffer): Buffer => {
  const header = Buffer.alloc(headerBytes)
  header.writeUIntLE(payload.length, 0, 3)
  header.writeUInt8(sequence, 3)
  return Buffer.concat([header, payload])
}

const command = (code: number, text = ''): Buffer => framed(0, Buffer.concat([Buffer.of(code), Buffer.from(text)]))

// The greeting: version byte, version text, thread id, 8 bytes of scramble, filler, 18 bytes of flags, 12 bytes more.
const scrambleOf = (greeting: Buffer): Buffer => {
  const first = greeting.indexOf(0, 1) + 1 + 4
  const second = first + scrambleFirstPart + 1 + 18
  return Buffer.concat([
    greeting.subarray(first, first + scrambleFirstPart),
    greeting.subarray(second, second + scrambleLength - scrambleFirstPart),
  ])
}

const loginAnswer = ({ user, password }: SessionTarget, greeting: Buffer): Buffer => {
  const fixed = Buffer.alloc(32)
  fixed.writeUInt32LE(capabilities, 0)
  fixed.writeUInt32LE(maximumPacket, 4)
  fixed.writeUInt8(utf8mb4, 8)
  const proof = nativePassword(password, scrambleOf(greeting))
  const text = [Buffer.from(`${user}\0`), Buffer.of(proof.length), proof, Buffer.from('mysql_native_password\0')]
  return framed(1, Buffer.concat([fixed, ...text]))
}

/** Connects and logs in. The listener gets one outcome for the login and one for every question. */
export const openSession = (target: SessionTarget, listener: (outcome: SessionOutcome) => void): Session => {
  const socket: Socket = createConnection({ host: target.address, port: target.port, noDelay: true })
  let phase: 'greeting' | 'login' | 'idle' | 'answer' | 'rows' | 'over' = 'greeting'
  let received: Buffer = Buffer.alloc(0)
  let value = ''

  const fail = (reason: string): void => {
    if (phase === 'over') return
    phase = 'over'
    socket.destroy()
    listener({ ok: false, reason })
  }
  const succeed = (): void => {
    phase = 'idle'
    listener({ ok: true, value })
  }

  const onPacket = (packet: Buffer): void => {
    const marker = packet[0]
    if (marker === errorMarker) {
      fail(`mysql-${packet.readUInt16LE(1)}`)
      return
    }
    switch (phase) {
      case 'greeting':
        phase = 'login'
        socket.write(loginAnswer(target, packet))
        return
      case 'login':
        if (marker === okMarker) succeed()
        else fail('mysql-other-authentication')
        return
      case 'answer':
        // A statement without a result. Else the number of columns and their definitions, up to the end marker.
        if (marker === okMarker) succeed()
        if (marker === endMarker) phase = 'rows'
        return
      case 'rows':
        if (marker === endMarker) succeed()
        else value = packet.subarray(1).toString()
        return
      case 'idle':
      case 'over':
        return
      default:
        phase satisfies never
    }
  }

  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    while (received.length >= headerBytes) {
      const end = headerBytes + received.readUIntLE(0, 3)
      if (received.length < end) return
      const packet = received.subarray(headerBytes, end)
      received = received.subarray(end)
      onPacket(packet)
    }
  })
  socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message))
  socket.on('close', () => fail('closed-by-server'))

  return {
    ask: (sql) => {
      if (phase !== 'idle') return
      phase = 'answer'
      value = ''
      socket.write(command(commandQuery, sql))
    },
    quit: () => {
      if (phase === 'over') return
      phase = 'over'
      socket.end(command(commandQuit))
      const deadline = setTimeout(() => socket.destroy(), quitGrace)
      socket.once('close', () => clearTimeout(deadline))
    },
    abandon: fail,
  }
}
