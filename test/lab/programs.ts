// What labs start: each program as the bundle that packages carry, for a start from hundreds of modules takes twice the processor time.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const built = fileURLToPath(new URL('../../', import.meta.url))

const newestIn = (room: string): number => {
  const files = readdirSync(join(built, room), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.js'),
  )
  return Math.max(...files.map((file) => statSync(join(built, room, file)).mtimeMs))
}

/** Where a program stands: the bundle if `npm test` has made it since the modules were compiled, else these. */
const treeOf = (program: 'agent' | 'balancer'): string => {
  const bundles = join(built, 'programs', program)
  const main = join(bundles, program, 'main.js')
  const isNewest = existsSync(main) && statSync(main).mtimeMs > Math.max(newestIn(program), newestIn('shared'))
  return isNewest ? bundles : built
}

/** The folder with the modules of the balancer in their places, `balancer/main.js` and what it forks among them. */
export const balancerTree = treeOf('balancer')
export const balancerProgram = join(balancerTree, 'balancer/main.js')
export const agentProgram = join(treeOf('agent'), 'agent/main.js')
