// The running watches of one kind by name: a reload keeps those that stay as they are, with their state and schedule.

import { isDeepStrictEqual } from 'node:util'
import { type Predecessor, type Sight, unseen, type Watch } from './source.ts'

/**
 * No watches yet; `start` starts one. `keep` starts and stops so that these are left: a name with another configuration is
 * another watch. `stop` resolves when nothing runs any more, what earlier reloads stopped included.
 */
export const createWatches = <C, W extends Watch>(start: (config: C, predecessor: Predecessor) => W) => {
  const running = new Map<string, { readonly config: C; readonly watch: W }>()
  const ending = new Map<string, Promise<void>>()
  const end = (name: string, watch: W): void => {
    running.delete(name)
    const ended: Promise<void> = Promise.all([watch.stop(), ending.get(name)]).then(() => {
      if (ending.get(name) === ended) ending.delete(name)
    })
    ending.set(name, ended)
  }
  const keep = (wanted: ReadonlyMap<string, C>): void => {
    const seen = new Map([...running].map(([name, { watch }]) => [name, watch.sight()]))
    for (const [name, { config, watch }] of running) {
      if (!wanted.has(name) || !isDeepStrictEqual(config, wanted.get(name))) end(name, watch)
    }
    for (const [name, config] of wanted) {
      if (running.has(name)) continue
      const predecessor = { sight: seen.get(name) ?? unseen, ended: ending.get(name) ?? Promise.resolve() }
      running.set(name, { config, watch: start(config, predecessor) })
    }
  }
  return {
    sight: (name: string): Sight => running.get(name)?.watch.sight() ?? unseen,
    all: (): readonly W[] => [...running.values()].map(({ watch }) => watch),
    keep,
    stop: async (): Promise<void> => {
      keep(new Map())
      await Promise.all(ending.values())
    },
  }
}
