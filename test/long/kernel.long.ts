// The kernel datapath again and again: every process killed, every server killed, many power cuts, 200 reloads in a row.

import t from 'tap'
import { quietEvents, testQuietEvents } from '../e2e/kernel-events.ts'
import { buildKernelField } from '../e2e/kernel-field.ts'
import {
  testBalancersWithServers,
  testFlush,
  testForeignFirewall,
  testNothingIsLeft,
  testSupervisorKilled,
} from '../e2e/kernel-host.ts'
import { testPowerCuts, testServerKilled } from '../e2e/kernel-servers.ts'
import { createLab } from '../lab/lab.ts'

t.setTimeout(1_800_000)
const seed = Number(process.env['SIM_SEED'] ?? Date.now() % 100_000)
const [cycles, reloads, cuts] = [3, 200, 15]
const lab = await createLab({ name: 'long-kernel' })
t.teardown(() => lab.destroy())
const field = await buildKernelField(lab)

await testQuietEvents(t, field, { events: quietEvents(field, reloads), cycles })
await testForeignFirewall(t, field)
for (const name of ['db1', 'db2', 'db1']) await testServerKilled(t, field, name)
await testPowerCuts(t, field, { rounds: cuts, seed })
await testFlush(t, field)
await testSupervisorKilled(t, field)
await testBalancersWithServers(t, field)
await testNothingIsLeft(t, field)
