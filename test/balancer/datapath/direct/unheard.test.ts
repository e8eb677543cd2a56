import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { createFlowBook } from '../../../../balancer/datapath/direct/core/flow-book.ts'
import { flowKey } from '../../../../balancer/datapath/direct/core/flow-key.ts'
import { hexOf } from '../../../../balancer/datapath/direct/others.ts'
import { askUnheard, type UnheardOptions } from '../../../../balancer/datapath/direct/unheard.ts'
import { waitFor } from '../../../lab/wait-for.ts'

const hour = 3_600_000
const closing = 0x8000
const bind = { address: '198.18.0.100', port: 3306, idle: millis(8 * hour), connect: millis(10_000) }
const client = (port: number) => ({ address: '198.18.0.200', port })

/** Four flows: two that were only told, one of them closed by now, one that was heard, and one that has only asked. */
const asking = (change: Partial<UnheardOptions> = {}) => {
  const book = createFlowBook(8, 1)
  book.beginLook({ at: millis(1), idle: bind.idle, connect: bind.connect })
  const see = (port: number, value: number, expires: number) =>
    book.see({ buffer: flowKey(client(port)), keyAt: 0, value, expires }, 1)
  see(40_001, 1, 7 * hour)
  see(40_002, 1 | closing, 50_000)
  see(40_003, 1, 8 * hour)
  book.endLook({ at: millis(2), isTorn: false })
  const asked: string[] = []
  let forgotten = 0
  let looks = 0
  const unheard = askUnheard({
    flows: {
      all: () => [{ bind, book, lookedAt: 1 }],
      look: async () => {
        looks += 1
        return { ok: true, value: undefined }
      },
      clientsOf: (key) => [40_001, 40_002, 40_003].map(client).filter((one) => hexOf(flowKey(one)) === hexOf(key)),
    },
    onlyTold: () => new Set([40_001, 40_002].map((port) => hexOf(flowKey(client(port))))),
    hasMovedHere: () => true,
    isComplete: () => false,
    questions: {
      add: ({ toClient, toServer }) => {
        const { source, sourcePort, destinationPort, isAnswer } = toClient
        asked.push(`${source.join('.')}:${sourcePort} ${destinationPort} ${isAnswer} ${toServer}`)
      },
      sent: async () => {},
      forget: () => {
        forgotten += 1
      },
      close: () => {},
    },
    pause: 1,
    ...change,
  })
  return { unheard, asked: () => asked, looks: () => looks, forgotten: () => forgotten }
}

t.test('clients of sessions that only a lost balancer knew are asked, once, and no server is', async (t) => {
  const { unheard, asked, looks, forgotten } = asking()
  for (let i = 0; i < 3; i += 1) unheard.askSoon()
  await waitFor('a question', () => asked().length > 0)
  t.same(asked(), ['198.18.0.100:3306 40001 true null'])
  t.equal(looks(), 1, 'a loss and the address that comes with it are one event')
  unheard.addressLeft(bind.address)
  t.equal(forgotten(), 1)
  unheard.close()
})

t.test('nobody is asked while all others are connected, nor where they may have the sessions', async (t) => {
  let isComplete = true
  let isHere = true
  const { unheard, asked, looks } = asking({ isComplete: () => isComplete, hasMovedHere: () => isHere })
  const tried = async (): Promise<void> => {
    unheard.askSoon()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await tried()
  ;[isComplete, isHere] = [false, false]
  await tried()
  t.same([asked(), looks()], [[], 0])
  isHere = true
  unheard.askSoon()
  await waitFor('a question', () => asked().length > 0)
  unheard.askSoon()
  unheard.close()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(asked().length, 1, 'nobody after the end')
})
