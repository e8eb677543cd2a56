import { isIPv6 } from 'node:net'
import { array, assert, constantFrom, integer, ipV4, ipV6, oneof, property, string, tuple } from 'fast-check'
import t from 'tap'
import { parseEndpoint } from '../../../balancer/config/endpoint-values.ts'
import { endpointText, excludeEachOther, plainAddress, takesIn } from '../../../balancer/core/endpoint.ts'
import { addressBytes, addressText, isMapped } from '../../../balancer/core/ip-address.ts'

const ports = integer({ min: 1, max: 65_535 })
const sparse = array(constantFrom('0', '0', '0', '1', 'db8', 'FFFF', '0a0b'), { minLength: 8, maxLength: 8 })
/** As operators write them: in full, shortened anywhere, in capitals, with an IPv4 address at the end. */
const ipv6Texts = oneof(
  ipV6(),
  sparse.map((groups) => groups.join(':')),
).filter((text) => isIPv6(text) && !isMapped(addressBytes(text)))

t.test('an endpoint is read from whatever text, and printed in the one of RFC 5952', async () => {
  assert(
    property(ipv6Texts, ports, (text, port) => {
      const parsed = parseEndpoint(`[${text}]:${port}`)
      const printed = parsed && endpointText(parsed)
      // WHATWG's URLs write an address as the RFC does.
      const expected = new URL(`http://[${text}]/`).hostname
      const isSame = printed === `${expected}:${port}`
      const again = parseEndpoint(printed)
      return isSame && again?.address === parsed?.address && again?.port === port
    }),
    { numRuns: 500 },
  )
  assert(
    property(ipV4(), ports, (address, port) => {
      const parsed = parseEndpoint(`${address}:${port}`)
      return parsed !== undefined && endpointText(parsed) === `${address}:${port}`
    }),
  )
})

t.test('what is no endpoint is none, and what is one has brackets around an IPv6 address alone', async () => {
  assert(
    property(ipv6Texts, ports, (text, port) => parseEndpoint(`${text}:${port}`) === undefined),
    { numRuns: 300 },
  )
  assert(property(ipV4(), ports, (text, port) => parseEndpoint(`[${text}]:${port}`) === undefined))
  assert(
    property(
      oneof(
        string(),
        tuple(string(), ports).map(([text, port]) => `${text}:${port}`),
      ),
      (text) => {
        const parsed = parseEndpoint(text)
        return parsed === undefined || parseEndpoint(endpointText(parsed))?.address === parsed.address
      },
    ),
  )
})

t.test('the address of a socket is written as in the configuration', async (t) => {
  t.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1')
  t.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
  t.equal(plainAddress(undefined), '')
  assert(
    property(ipV4(), (address) => plainAddress(`::ffff:${address}`) === address && plainAddress(address) === address),
  )
  assert(property(ipv6Texts, (text) => plainAddress(text) === addressText(addressBytes(text))))
})

t.test('0.0.0.0 takes in every IPv4 address, :: every address, any other one itself', async (t) => {
  const addresses = ['0.0.0.0', '::', '10.0.0.1', '10.0.0.2', '2001:db8::1', '::1']
  const taken = (bound: string) => addresses.filter((address) => takesIn(bound, address))
  t.same(taken('0.0.0.0'), ['0.0.0.0', '10.0.0.1', '10.0.0.2'])
  t.same(taken('::'), addresses)
  t.same(taken('2001:db8::1'), ['2001:db8::1'])
  t.notOk(excludeEachOther({ address: '::', port: 1 }, { address: '::', port: 2 }))
})
