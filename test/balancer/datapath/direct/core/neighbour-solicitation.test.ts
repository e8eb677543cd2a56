// The frame that asks for a neighbour, byte by byte, as RFC 4861 has it.

import t from 'tap'
import { solicitationFrame } from '../../../../../balancer/datapath/direct/core/neighbour-solicitation.ts'

const own = { mac: Uint8Array.of(2, 0, 0, 0, 0, 1), address: 'fd00::1' }
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const [addressHere, addressThere] = [`fd00${'0'.repeat(27)}1`, `fd00${'0'.repeat(22)}ab1234`]

t.test('who may have the address is asked at the group of its last bytes', async (t) => {
  const frame = hex(solicitationFrame({ own, neighbour: { mac: null, address: 'fd00::ab:1234' } }))
  const header = `3333ffab1234 020000000001 86dd 60000000 0020 3a ff ${addressHere} ff02${'0'.repeat(18)}01ffab1234`
  const message = `8700 57dd 00000000 ${addressThere} 0101 020000000001`
  t.equal(frame, `${header}${message}`.replaceAll(' ', ''))
})

t.test('one that is known is asked itself', async (t) => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 0x11)
  const frame = hex(solicitationFrame({ own, neighbour: { mac, address: 'fd00::ab:1234' } }))
  t.match(frame, /^020000000011020000000001/)
  t.equal(frame.slice(2 * 38, 2 * 54), addressThere)
})
