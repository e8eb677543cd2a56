// The kernel datapath under load, with all that can happen to a balancer and to its servers. One lab for all, in order.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { quietEvents, testQuietEvents } from './kernel-events.ts'
import { buildKernelField } from './kernel-field.ts'
import { testBalancersWithServers, testFlush, testForeignFirewall, testNothingIsLeft } from './kernel-host.ts'
import { testPowerCuts, testServerKilled } from './kernel-servers.ts'

t.setTimeout(600_000)
const seed = Number(process.env['SIM_SEED'] ?? Date.now() % 100_000)
const lab = await createLab({ name: 'e2e-kernel' })
t.teardown(() => lab.destroy())
const field = await buildKernelField(lab)

await testQuietEvents(t, field, { events: quietEvents(field, 20), cycles: 1 })
await testForeignFirewall(t, field)
await testServerKilled(t, field, 'db2')
await testPowerCuts(t, field, { rounds: 1, seed })
await testFlush(t, field)
await testBalancersWithServers(t, field)
await testNothingIsLeft(t, field)
