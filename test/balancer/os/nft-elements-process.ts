// A program for a host of a lab: does what its first argument names to maps of nftables, and prints what came of it.

import { type ElementToAdd, type NftMap, openNftElements } from '../../../balancer/os/nft-elements.ts'

const opened = openNftElements()
if (!opened.ok) throw new Error(opened.text)
const elements = opened.value
const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
const mapOf = (name: string, family: NftMap['family'] = 'netdev'): NftMap => ({ family, table: 'balancer', name })
const ipv4Map = mapOf('ipv4')

/** The key of a client of 10.0.0.0/8: what the rules make of `ip saddr . tcp sport`. */
const ipv4Key = (i: number): Uint8Array => {
  const key = Buffer.alloc(8)
  key.writeUInt32BE(0x0a000000 + Math.floor(i / 50_000), 0)
  key.writeUInt16BE(1024 + (i % 50_000), 4)
  return key
}
const ipv6Key = Buffer.from('12340000fe800000000000000000000000000001', 'hex')
const [minute, hour] = [60_000, 3_600_000]
const element = (i: number, value: number, expires: number = minute): ElementToAdd => ({
  key: ipv4Key(i),
  value,
  timeout: hour,
  expires,
})
const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

const valuesOf = async (map: NftMap): Promise<readonly string[] | string> => {
  const found: string[] = []
  const dumped = await elements.dump(map, ({ buffer, keyAt, keyBytes, value, timeout, expires }) => {
    const left = Math.ceil((expires ?? 0) / minute)
    const key = Buffer.from(buffer.subarray(keyAt, keyAt + keyBytes)).toString('hex')
    found.push(`${key} ${value} ${timeout} ${left}`)
  })
  return dumped.ok ? found.sort() : dumped.text
}

const single = async (): Promise<void> => {
  print(await elements.add(ipv4Map, [element(1, 1), element(2, 2)]))
  print(await elements.add(ipv4Map, [element(1, 1, 2 * minute), element(2, 5), element(3, 3, 9 * hour)]))
  print(await valuesOf(ipv4Map))
  print(await elements.replace(ipv4Map, [element(1, 0x4001), element(7, 7), element(2, 0x4002)]))
  print(await elements.put(ipv4Map, [element(1, 9), element(8, 8)]))
  print(await valuesOf(ipv4Map))
  print(await elements.remove(ipv4Map, [1, 2, 9].map(ipv4Key)))
  print(await valuesOf(ipv4Map))
  const ipv6 = { key: ipv6Key, value: 5, timeout: hour, expires: minute }
  print(await elements.add(mapOf('ipv6', 'inet'), [ipv6]))
  print(await valuesOf(mapOf('ipv6', 'inet')))
  print(await elements.add(ipv4Map, []))
}

/** Every request about what is not there, then elements of a set, and a key of the wrong length. */
const missing = async (): Promise<void> => {
  for (const map of [mapOf('nowhere'), { ...ipv4Map, table: 'nowhere' }, mapOf('ipv4', 'inet')]) {
    print(await elements.add(map, [element(1, 1)]))
    print(await elements.replace(map, [element(1, 1)]))
    print(await elements.put(map, [element(1, 1)]))
    print(await elements.remove(map, [ipv4Key(1)]))
    print(await valuesOf(map))
  }
  const numbers: NftMap = { ...mapOf('numbers'), isSet: true }
  print(await elements.add(numbers, [element(1, 0)]))
  print(await valuesOf(numbers))
  print(await elements.add(ipv4Map, [{ ...element(1, 1), key: ipv6Key }]))
}

/** What there is, whoever has put it there. */
const list = async (): Promise<void> => print(await valuesOf(ipv4Map))

const countOf = (outcome: Awaited<ReturnType<typeof elements.add>>): number | string =>
  outcome.ok ? outcome.value.filter((isDone) => isDone).length : outcome.text

const full = async (): Promise<void> => {
  const added = await elements.add(
    mapOf('small'),
    range(1000).map((i) => element(i, 1)),
  )
  print(countOf(added))
  const found = await valuesOf(mapOf('small'))
  print(found.length)
}

/** So many elements, with what it takes. */
const many = async (): Promise<void> => {
  const count = Number(process.argv[3])
  const timed = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const [begun, cpu] = [performance.now(), process.cpuUsage()]
    let [longest, last] = [0, begun]
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 1)
    const result = await work()
    clearInterval(timer)
    const { user, system } = process.cpuUsage(cpu)
    const millis = { elapsed: performance.now() - begun, user: user / 1000, system: system / 1000, longest }
    print({
      what,
      result,
      ...Object.fromEntries(Object.entries(millis).map(([key, value]) => [key, Math.round(value)])),
    })
  }
  const all = range(count)
  const additions = all.map((i) => element(i, 1 + (i % 3), hour))
  await timed('add', async () => countOf(await elements.add(ipv4Map, additions)))
  const seen = new Set<number>()
  for (let dumps = 0; dumps < 6 && seen.size < count; dumps += 1) {
    await timed('dump', async () => {
      const dumped = await elements.dump(ipv4Map, ({ buffer, keyAt }) => {
        const view = new DataView(buffer.buffer, buffer.byteOffset + keyAt)
        seen.add((view.getUint32(0) - 0x0a000000) * 50_000 + view.getUint16(4) - 1024)
      })
      return dumped.ok ? { seen: seen.size } : dumped.text
    })
  }
  // Packets delete and make some of these meanwhile.
  const some = additions.slice(0, Math.min(count, 20_000)).map((one) => ({ ...one, value: one.value | 0x4000 }))
  await timed('replace', async () => countOf(await elements.replace(ipv4Map, some)))
  await timed('put', async () => countOf(await elements.put(ipv4Map, some)))
  await timed('remove', async () =>
    countOf(
      await elements.remove(
        ipv4Map,
        some.map(({ key }) => key),
      ),
    ),
  )
}

const works: Readonly<Record<string, () => Promise<void>>> = { single, missing, list, full, many }
await works[process.argv[2] ?? '']?.()
elements.close()
const closed = await elements.remove(ipv4Map, [ipv4Key(1)])
print({ closed: closed.ok ? null : closed.code })
