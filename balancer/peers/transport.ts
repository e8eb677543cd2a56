// TLS between balancers: a key that both have (RFC 5489, RFC 5487), no certificates. A key from one session does not open another.

import { constants } from 'node:crypto'
import { connect } from 'node:net'
import { type SecureContextOptions, connect as startTls, type TLSSocket } from 'node:tls'
import { type Endpoint, endpointText } from '../core/endpoint.ts'
import { oneLine } from '../core/text.ts'

/** 256 bits, which all balancers have. */
export type Key = Buffer

/** Authenticated encryption and a fresh exchange of keys; without a certificate these are all that OpenSSL has. */
const ciphers = ['ECDHE-PSK-CHACHA20-POLY1305', 'DHE-PSK-AES256-GCM-SHA384', 'DHE-PSK-CHACHA20-POLY1305']

/** TLS 1.2: TLS 1.3 has no key of this kind that is negotiated with SHA-384, and gains nothing here. */
export const tlsOptions: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  ciphers: ciphers.join(':'),
  // A resumed session would outlive a change of the key.
  secureOptions: constants.SSL_OP_NO_TICKET,
}

/** What a balancer calls itself before it is known; no secret. */
export const identityOf = (routerId: string, listen: Endpoint): string => `${routerId} ${endpointText(listen)}`
/** Where the one listens that calls itself so. */
export const listenOf = (identity: string): string => identity.split(' ')[1] ?? ''

export type Attempt = { readonly abandon: () => void }

export type AttemptOptions = {
  readonly to: Endpoint
  readonly from: Endpoint
  readonly identity: string
  readonly key: Key
  readonly onSecure: (socket: TLSSocket) => void
  readonly onFailure: (why: string) => void
}

/** Connects, from the address that the other side knows this one by. One of the callbacks is called once, unless it is abandoned. */
export const attempt = ({ to, from, identity, key, onSecure, onFailure }: AttemptOptions): Attempt => {
  let isOver = false
  const raw = connect({ host: to.address, port: to.port, localAddress: from.address })
  const socket = startTls({
    ...tlsOptions,
    socket: raw,
    pskCallback: () => ({ psk: key, identity }),
    // There is no certificate: who has the key is a balancer.
    checkServerIdentity: () => undefined,
  })
  let patience: NodeJS.Timeout | undefined
  raw.once('connect', () => {
    patience = setTimeout(() => fail(mute), handshakeLimit)
  })
  const fail = (why: string): void => {
    const isFirst = !isOver
    isOver = true
    clearTimeout(patience)
    socket.destroy()
    raw.destroy()
    if (isFirst) onFailure(why)
  }
  for (const one of [raw, socket]) one.on('error', (error) => fail(wordsOf(error, from)))
  socket.once('close', () => fail(endedWords(from)))
  socket.once('secureConnect', () => {
    if (isOver) return
    isOver = true
    clearTimeout(patience)
    onSecure(socket)
  })
  return {
    abandon: () => {
      isOver = true
      clearTimeout(patience)
      socket.destroy()
      raw.destroy()
    },
  }
}

/** A little shorter than an attempt as a whole: who has connected is not off. */
const handshakeLimit = 2500
const mute = 'it takes the connection and says nothing: its balancer hangs, or something else listens there'

export const keysDiffer = 'the keys differ: key_file must have the same content there and here'

const endedWords = (from: Endpoint): string =>
  `it ends connections from ${from.address} at once: does peers.to there have ${endpointText(from)}?`

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '')

/** Whether a handshake failed because the other side has another key. */
export const isOtherKey = (error: Error): boolean => /BAD_RECORD_MAC|DECRYPT/.test(codeOf(error))

/** What a failed connection means, for an operator. */
const wordsOf = (error: Error, from: Endpoint): string => {
  const code = codeOf(error)
  if (isOtherKey(error)) return keysDiffer
  switch (code) {
    case 'ECONNREFUSED':
      return 'it refuses the connection: does its balancer run, with this address in peers.listen?'
    case 'ECONNRESET':
      return endedWords(from)
    case 'EADDRNOTAVAIL':
      return `${from.address} (peers.listen) is no address of this host`
    case 'EHOSTUNREACH':
      return 'its host is off, or a firewall there refuses the connection (EHOSTUNREACH)'
    case 'ENETUNREACH':
      return 'no way there (ENETUNREACH)'
    case 'ETIMEDOUT':
      return 'it does not answer (ETIMEDOUT)'
    default:
      return code.startsWith('ERR_SSL')
        ? `what answers there is no balancer (${code})`
        : oneLine(code || error.message, 200)
  }
}
