// Addresses and prefixes as the ranges that nft keeps: merged, in order, each in the one way nft lists it.

import { addressBytes, addressText, bitsOf, type Family, familyOf } from '../../../core/ip-address.ts'

type Range = { readonly first: bigint; readonly last: bigint }

/** The elements of an interval set that hold these addresses and prefixes, all of one family; none overlap or touch. */
export const intervalElements = (prefixes: readonly string[]): readonly string[] => {
  const family = familyOf(prefixes[0] ?? '')
  return merged(prefixes.map((prefix) => rangeOf(prefix, family))).map((range) => rangeText(range, family))
}

const rangeOf = (prefix: string, family: Family): Range => {
  const [address = '', length = `${bitsOf(family)}`] = prefix.split('/')
  const hostBits = BigInt(bitsOf(family) - Number(length))
  const first = (numberOf(address) >> hostBits) << hostBits
  return { first, last: first + (1n << hostBits) - 1n }
}

const merged = (ranges: readonly Range[]): readonly Range[] => {
  const done: Range[] = []
  for (const range of [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = done.at(-1)
    if (before === undefined || range.first > before.last + 1n) done.push(range)
    else if (range.last > before.last) done[done.length - 1] = { first: before.first, last: range.last }
  }
  return done
}

const rangeText = ({ first, last }: Range, family: Family): string => {
  const size = last - first + 1n
  const isPrefix = (size & (size - 1n)) === 0n && first % size === 0n
  const text = textOf(first, family)
  if (size === 1n) return text
  return isPrefix ? `${text}/${bitsOf(family) - (size.toString(2).length - 1)}` : `${text}-${textOf(last, family)}`
}

const numberOf = (address: string): bigint =>
  addressBytes(address).reduce((number, byte) => (number << 8n) | BigInt(byte), 0n)

const textOf = (number: bigint, family: Family): string =>
  addressText(
    Array.from({ length: bitsOf(family) / 8 }, (_, i, last = bitsOf(family) - 8) =>
      Number((number >> BigInt(last - 8 * i)) & 0xffn),
    ),
  )
