// The rule that tells which binds exclude each other, and the kernel, asked the same.

import { createServer } from 'node:net'
import t from 'tap'
import { endpointText, excludeEachOther } from '../../../balancer/core/endpoint.ts'
import { listenFreely } from '../../../balancer/os/free-bind.ts'
import { callClose } from '../../../balancer/os/libc.ts'
import { holdersOf } from '../../../balancer/os/port-holder.ts'

/** A port that nobody has. */
const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '::', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

// Addresses that this host does not have.
const addresses = ['0.0.0.0', '::', '198.18.0.100', '198.18.0.101', '2001:2::100', '2001:2::101']

t.test('two binds exclude each other where the kernel refuses the second', async (t) => {
  for (const one of addresses) {
    for (const other of addresses) {
      const port = await freePort()
      const [first, second] = [
        { address: one, port },
        { address: other, port },
      ]
      const held = listenFreely(first, 1)
      const wanted = listenFreely(second, 1)
      const name = `${endpointText(first)} before ${endpointText(second)}`
      t.ok(held.ok, name)
      t.equal(wanted.ok, !excludeEachOther(first, second), name)
      if (!wanted.ok) t.match(wanted, { code: 'EADDRINUSE' })
      t.match(
        holdersOf(second).filter(({ address }) => address === one),
        excludeEachOther(first, second) ? [{ process: { pid: process.pid } }] : [],
      )
      for (const opened of [held, wanted]) if (opened.ok) callClose(opened.value)
    }
  }
})
