// What this host is prepared for: an address and port of a listener, and the port of the server here.

/** One line of `direct_return`. Addresses are in the one text of RFC 5952. */
export type Entry = { readonly address: string; readonly port: number; readonly serverPort: number }

/** `198.18.0.100:3306`, `[2001:db8::1]:3306` */
export const endpointOf = ({ address, port }: Pick<Entry, 'address' | 'port'>): string =>
  isIpv6(address) ? `[${address}]:${port}` : `${address}:${port}`

export const isIpv6 = (address: string): boolean => address.includes(':')

/** The addresses of entries, each once. */
export const addressesOf = (entries: readonly Pick<Entry, 'address'>[]): readonly string[] => [
  ...new Set(entries.map(({ address }) => address)),
]
