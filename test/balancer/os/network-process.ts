// A program for hosts of a lab: does what its first argument names to the interface eth0 and prints what came of it.

import { readFileSync } from 'node:fs'
import { watchAddresses } from '../../../balancer/os/address-watch.ts'
import { type AddressLease, listenToNetwork, openNetlink } from '../../../balancer/os/netlink.ts'
import { openPacketSocket } from '../../../balancer/os/packet-socket.ts'
import { openRawSocket, type Received } from '../../../balancer/os/raw-socket.ts'
import { ipPacket } from '../../../balancer/vrrp/core/datagram.ts'

const print = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
const leased = '198.18.0.100'

const requests = async (): Promise<void> => {
  const netlink = openNetlink()
  const found = await netlink.findInterface('eth0')
  print({ found })
  print({ missing: await netlink.findInterface('eth9') })
  const interfaceIndex = found.ok ? found.value.index : 0
  const lease: AddressLease = { address: leased, prefixLength: 24, interfaceIndex, lifetime: 60, label: 'eth0:vip' }
  print({ set: await netlink.setAddress(lease) })
  print({ again: await netlink.setAddress({ ...lease, lifetime: 2 }) })
  print({ listed: await netlink.listAddresses() })
  print({ nowhere: await netlink.setAddress({ ...lease, interfaceIndex: 999 }) })
  print({ removed: await netlink.removeAddress(lease) })
  print({ removedAgain: await netlink.removeAddress(lease) })
  print({ short: await netlink.setAddress({ ...lease, label: undefined, lifetime: 2 }) })
  netlink.close()
}

const watch = async (): Promise<void> => {
  const watched = await watchAddresses((address, present) => {
    print({ address, present, has: watched.has(address) })
    if (address === '198.18.0.99') watched.close()
  })
  listenToNetwork({ onAddress: () => {}, onLink: (link) => print({ link }), onOverrun: () => {} })
  print({ own: watched.has('198.18.0.1'), other: watched.has(leased) })
}

const sockets = async (): Promise<void> => {
  const netlink = openNetlink()
  const found = await netlink.findInterface('eth0')
  netlink.close()
  if (!found.ok) throw new Error(found.text)
  const packets = openPacketSocket()
  if (!packets.ok) throw new Error(packets.text)
  print({
    frame: packets.value.send(
      found.value.index,
      Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 255 : 1)),
    ),
  })
  print({ badFrame: packets.value.send(999, new Uint8Array(60)) })
  packets.value.close()
  print({ closedFrame: packets.value.send(found.value.index, new Uint8Array(60)) })

  const heard: number[] = []
  const options = {
    family: 'ipv4' as const,
    protocol: 112,
    minimumHopLimit: 255,
    interface: found.value,
    address: found.value.addresses[0]?.address ?? '',
    group: '224.0.0.18',
    onPacket: ({ bytes }: Received) => {
      heard.push(bytes.at(-1) ?? -1)
    },
    onFailure: (text: string) => print({ failure: text }),
  }
  const socket = openRawSocket(options)
  if (!socket.ok) throw new Error(socket.text)
  print({ ready: true, nowhere: openRawSocket({ ...options, interface: { name: 'eth9', index: 99 } }) })
  const [count, gate] = [Number(process.argv[3]), process.argv[4]]
  if (gate !== undefined) {
    // Blocked until somebody opens the pipe, as a starved process is: the loop reads nothing meanwhile.
    readFileSync(gate)
    socket.value.receive()
    print({ heard: heard.length, inOrder: heard.every((byte, i) => byte === i) })
  }
  for (let i = 0; i < count; i += 1)
    print({
      sent: socket.value.send(ipPacket(Uint8Array.of(1, 2, 3, i), options.address, options.group), options.group),
    })
  socket.value.close()
  print({ closed: socket.value.send(Uint8Array.of(1), '224.0.0.18') })
}

const actions: Readonly<Record<string, () => Promise<void>>> = { requests, watch, sockets }
await actions[process.argv[2] ?? '']?.()
