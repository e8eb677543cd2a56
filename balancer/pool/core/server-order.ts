// The order that an operator gives with `balancer server LISTENER/SERVER ready|drain|maint|weight N`.

import { nearest } from '../../core/near-word.ts'
import type { Orders } from './facts.ts'

/** Which server, and what is ordered; or what is wrong with the words. */
export type ServerOrder =
  | {
      readonly ok: true
      readonly listener: string
      readonly server: string
      readonly orders: Partial<Orders>
      /** The order in the operator's words: `drain`, `weight 10`. */
      readonly words: string
    }
  | { readonly ok: false; readonly text: string }

const usage = 'write: server LISTENER/SERVER ready|drain|maint|weight N, for example: server mysql/db1 drain'
const orderWords = ['ready', 'drain', 'maint', 'weight'] as const
/** HAProxy's largest weight. */
export const maximumWeight = 256

/** Reads the words after `server`. `weight initial` takes an ordered weight back. */
export const parseServerOrder = (words: readonly string[]): ServerOrder => {
  const [place = '', word, amount, ...rest] = words
  const [listener = '', server = '', ...more] = place.split('/')
  const refuse = (text: string): ServerOrder => ({ ok: false, text })
  if (listener === '' || server === '' || more.length > 0 || rest.length > 0) return refuse(usage)
  const give = (orders: Partial<Orders>): ServerOrder => ({
    ok: true,
    listener,
    server,
    orders,
    words: words.slice(1).join(' '),
  })
  switch (word) {
    case 'ready':
    case 'drain':
    case 'maint':
      return amount === undefined ? give({ admin: word }) : refuse(usage)
    case 'weight': {
      if (amount === 'initial') return give({ weight: null })
      const weight = /^\d{1,3}$/.test(amount ?? '') ? Number(amount) : Number.NaN
      if (!(weight <= maximumWeight)) return refuse(`a weight is a whole number from 0 to ${maximumWeight}, or initial`)
      return give({ weight })
    }
    case undefined:
      return refuse(usage)
    default: {
      const longer = orderWords.find((known) => known.startsWith(word) || word.startsWith(known))
      return refuse(`${word} is no order${nearest(longer ?? word, orderWords)}; ${usage}`)
    }
  }
}
