// The addresses of this host as they come and go: listed once, then followed by what the kernel tells.

import { type HostAddress, listenToNetwork, openNetlink } from './netlink.ts'
import { done, type Outcome } from './outcome.ts'

const retryAfter = 1000

/** The addresses of this host, without those for which nobody is sent here. */
export type AddressWatch = { readonly has: (address: string) => boolean; readonly close: () => void }

/**
 * Watches the addresses of this host; `onChange` is called for every address that comes or goes after the start. Those for which
 * nobody is sent here are as if they were not.
 */
export const watchAddresses = async (onChange: (address: string, present: boolean) => void): Promise<AddressWatch> => {
  const netlink = openNetlink()
  /** The interfaces that hold an address. */
  const holders = new Map<string, ReadonlySet<number>>()
  const has = (address: string): boolean => holders.has(address)
  const keep = (address: string, interfaces: ReadonlySet<number>): void => {
    const before = has(address)
    if (interfaces.size > 0) holders.set(address, interfaces)
    else holders.delete(address)
    if (isReady && before !== has(address)) onChange(address, has(address))
  }
  let isOpen = true
  let isReady = false
  let heard = 0

  /** Takes over what the kernel lists. An event during the answer may be newer than the answer: then ask again. */
  const list = async (): Promise<Outcome> => {
    for (;;) {
      const before = heard
      const listed = await netlink.listAddresses()
      if (!listed.ok) return listed
      if (before !== heard) continue
      const found = holdersOf(listed.value.filter(({ isForAnswers }) => !isForAnswers))
      for (const address of new Set([...holders.keys(), ...found.keys()])) {
        keep(address, found.get(address) ?? new Set())
      }
      return done
    }
  }
  const listAgain = async (): Promise<void> => {
    if (!isOpen) return
    const listed = await list()
    if (!listed.ok && isOpen) setTimeout(() => void listAgain(), retryAfter)
  }
  const stopListening = listenToNetwork({
    onAddress: ({ address, interfaceIndex, isForAnswers }, present) => {
      heard += 1
      const others = [...(holders.get(address) ?? [])].filter((index) => index !== interfaceIndex)
      keep(address, new Set(present && !isForAnswers ? [...others, interfaceIndex] : others))
    },
    onLink: () => undefined,
    onOverrun: () => void listAgain(),
  })
  const close = (): void => {
    if (isOpen) {
      stopListening()
      netlink.close()
    }
    isOpen = false
  }
  const listed = await list()
  if (!listed.ok) {
    close()
    throw new Error(listed.text)
  }
  isReady = true
  return { has, close }
}

const holdersOf = (addresses: readonly HostAddress[]): ReadonlyMap<string, ReadonlySet<number>> => {
  const holders = new Map<string, Set<number>>()
  for (const { address, interfaceIndex } of addresses) {
    holders.set(address, (holders.get(address) ?? new Set()).add(interfaceIndex))
  }
  return holders
}
