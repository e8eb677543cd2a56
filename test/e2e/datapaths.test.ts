// One table of behaviours, run over every datapath: what a listener does for its clients does not depend on what forwards,
// but where capabilities.ts says so.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Datapath, datapaths } from '../../balancer/core/forwarders.ts'
import { capabilities } from '../../balancer/datapath/core/capabilities.ts'
import { createLab } from '../lab/lab.ts'
import { balancerProgram as program } from '../lab/programs.ts'
import { balanceBehaviours } from './datapaths/balance.ts'
import { abilityOf, rowName } from './datapaths/behaviour.ts'
import { connectionBehaviours } from './datapaths/connections.ts'
import { numberBehaviours } from './datapaths/numbers.ts'
import { outageBehaviours } from './datapaths/outages.ts'
import { listenersAskingInVain, refusals } from './datapaths/refusals.ts'
import { reloadBehaviours } from './datapaths/reloads.ts'
import { openTheatre, type Theatre } from './datapaths/theatre.ts'

t.setTimeout(600_000)
/** Many elements change with each slot table of `direct`, and who ends sessions there waits for those transactions. */
const atOnce: Readonly<Record<Datapath, number>> = { userspace: 12, kernel: 12, direct: 6 }

const behaviours = [
  ...reloadBehaviours,
  ...balanceBehaviours,
  ...outageBehaviours,
  ...connectionBehaviours,
  ...numberBehaviours,
]

t.test('each row of the capabilities is seen in a behaviour, or refused by a datapath', async (t) => {
  const seen = new Set([...behaviours.flatMap(({ about }) => about), ...Object.keys(refusals)])
  t.same([...seen].toSorted(), capabilities.map(rowName).toSorted())
})

/** What a datapath cannot do, `balancer check` refuses: what to write to stay with it, and which other one can. */
const refusesInVain = async (t: Test, datapath: Datapath, { balancer }: Theatre, directory: string): Promise<void> => {
  const file = join(directory, 'in-vain.yaml')
  const listeners = listenersAskingInVain(datapath)
  writeFileSync(file, JSON.stringify({ router_id: 'lb1', listeners, admin: { socket: join(directory, 'none.sock') } }))
  const { code, stderr } = await balancer.run(process.execPath, [program, 'check', '--config', file])
  const rows = Object.entries(refusals).map(([row, { path }], i) => ({ row, path: `listeners[${i}].${path}` }))
  for (const { row, path } of rows) {
    const ability = abilityOf(datapath, row)
    const line = stderr.split('\n').find((one) => one.includes(` ${path}`)) ?? ''
    if (ability.can !== 'no') t.equal(line, '', row)
    else
      t.match(line, new RegExp(`datapath: ${datapath} .*; .*, or write datapath: (?!${datapath})`), `${row}: ${stderr}`)
    if (ability.can === 'no') t.ok(line.includes(ability.instead), line)
  }
  const isRefused = rows.some(({ row }) => abilityOf(datapath, row).can === 'no')
  t.equal(code, isRefused ? 78 : 0, stderr)
}

for (const datapath of datapaths) {
  t.test(datapath, async (t) => {
    const lab = await createLab({ name: `e2e-${datapath}` })
    t.teardown(() => lab.destroy())
    const own = behaviours.filter(({ needs }) => needs === undefined || abilityOf(datapath, needs).can !== 'no')
    const theatre = await openTheatre(lab, datapath, own)
    t.jobs = atOnce[datapath]
    for (const [i, behaviour] of own.entries()) {
      const stage = theatre.stages[i]
      if (stage === undefined) throw new Error(`no stage for ${behaviour.name}`)
      t.test(`${behaviour.name}: ${behaviour.title}`, { buffered: true }, (t) => behaviour.see(t, stage))
    }
    t.test('check refuses what it cannot do, and names both ways out', { buffered: true }, (t) =>
      refusesInVain(t, datapath, theatre, lab.directory),
    )
  })
}
