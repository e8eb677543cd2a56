import { fileURLToPath } from 'node:url'
import t from 'tap'
import { z } from 'zod'
import { type ClientHash, flowKey, slotOfClient } from '../../../../balancer/datapath/direct/core/flow-key.ts'
import { createLab } from '../../../lab/lab.ts'
import { tcpFlags } from './flow-frames.ts'

const program = fileURLToPath(new URL('./frames-process.js', import.meta.url))
const virtual = { ipv4: '198.18.0.100', ipv6: 'fd00::100' }
const families = ['ipv4', 'ipv6'] as const
const key = { ipv4: 'ip saddr . tcp sport', ipv6: 'tcp sport . @nh,96,96' }
const listed = { ipv4: 'ip saddr . tcp sport', ipv6: 'tcp sport . ip6 saddr' }
const source = { ipv4: 'ip saddr', ipv6: '@nh,96,96' }
const type = { ipv4: 'ipv4_addr . inet_service', ipv6: 'inet_service . ipv6_addr' }
const clients = 400

type SlotSet = ClientHash & { readonly name: string; readonly family: 'ipv4' | 'ipv6' }
const sets: readonly SlotSet[] = [
  { seed: 0x1234, slotCount: 4 },
  { seed: 0xffff_ffff, slotCount: 1024 },
  { seed: 1, slotCount: 16_384 },
  { seed: 0xdead_beef, slotCount: 7 },
].flatMap(({ seed, slotCount }) =>
  (['session', 'source'] as const).flatMap((hash) =>
    families.map((family) => ({ name: `${hash}_${family}_${slotCount}`, hash, family, seed, slotCount })),
  ),
)

/** Each client with the slot that the kernel gives it: sets, since nft before 1.0.9 writes maps with long keys wrongly. */
const rules = [
  'table netdev slots {',
  ...sets.map(
    ({ name, family }) => `set ${name} { type ${type[family]} . mark; size 65536; flags dynamic,timeout; timeout 1h; }`,
  ),
  'chain in { type filter hook ingress device v1 priority 0;',
  ...sets.flatMap(({ name, hash, family, seed, slotCount }) => [
    `meta l4proto tcp meta mark set jhash ${hash === 'session' ? key[family] : source[family]} mod ${slotCount} seed ${seed}`,
    `add @${name} { ${listed[family]} . meta mark }`,
  ]),
  '}',
  '}',
].join('\n')

const random = (): number => Math.floor(Math.random() * 2 ** 32)
const ipv4 = (): string => [24, 16, 8, 0].map((shift) => (random() >>> shift) & 255).join('.')
const ipv6 = (): string => Array.from({ length: 8 }, () => (random() & 0xffff).toString(16)).join(':')
const segment = (address: string, port: number, to: string): string => `${address} ${port} ${tcpFlags.ack} ${to}\n`
/** The ends of every field, and clients by chance. */
const segments = [
  ...[1, 255, 256, 65_535].flatMap((port) => [
    segment('0.0.0.1', port, virtual.ipv4),
    segment('255.255.255.255', port, virtual.ipv4),
    segment('::1', port, virtual.ipv6),
    segment('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', port, virtual.ipv6),
  ]),
  ...Array.from({ length: clients }, () => [
    segment(ipv4(), 1 + (random() % 65_535), virtual.ipv4),
    segment(ipv6(), 1 + (random() % 65_535), virtual.ipv6),
  ]).flat(),
].join('')

const listing = z.object({
  nftables: z.array(
    z.object({
      set: z
        .object({
          name: z.string(),
          elem: z.array(
            z.object({
              elem: z.object({
                val: z.object({
                  concat: z.tuple([z.union([z.string(), z.number()]), z.union([z.string(), z.number()]), z.number()]),
                }),
              }),
            }),
          ),
        })
        .optional(),
    }),
  ),
})

t.setTimeout(600_000)

t.test(
  'this program finds the slot of each client that the kernel finds, of both families and with both hashes',
  async (t) => {
    const lab = await createLab({ name: 'slots' })
    t.teardown(() => lab.destroy())
    const host = await lab.addHost('lb', '198.18.0.1/24')
    await host.run('ip', ['link', 'add', 'v0', 'up', 'type', 'veth', 'peer', 'name', 'v1'])
    await host.run('ip', ['link', 'set', 'v1', 'up'])
    t.equal((await host.run('nft', ['-f', '-'], { input: rules })).stderr, '')
    t.match(await host.run(process.execPath, [program, 'v0'], { input: segments }), { code: 0, stderr: '' })
    const { nftables } = listing.parse(JSON.parse((await host.run('nft', ['-j', 'list', 'sets'])).stdout))
    for (const { name, family, ...hash } of sets) {
      const elements = nftables.find(({ set }) => set?.name === name)?.set?.elem ?? []
      const others = elements.filter(({ elem }) => {
        const [first, second, slot] = elem.val.concat
        const [address, port] = family === 'ipv4' ? [first, second] : [second, first]
        const client = flowKey({ address: String(address), port: Number(port) })
        return slotOfClient(client, 0, client.length, hash) !== slot
      })
      t.same(others, [], name)
      t.ok(elements.length >= clients, `${name}: ${elements.length} clients`)
      const slots = new Set(elements.map(({ elem }) => elem.val.concat[2]))
      t.ok(slots.size > Math.min(hash.slotCount, clients) / 2, `${name}: ${slots.size} slots`)
    }
  },
)
