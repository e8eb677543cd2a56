// The kernel datapath under load, with all that can happen to a balancer and to its servers. One lab for all, in order.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { quietEvents, testQuietEvents } from './kernel-events.ts'
import { buildKernelField } from './kernel-field.ts'
import { testBalancersWithServers, testFlush, testForeignFirewall, testNothingIsLeft } from './kernel-host.ts'
import { testPowerCuts, testServerKilled } from './kernel-servers.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-kernel' })
t.teardown(async () => {
  ;(await import('node:child_process')).execSync(
    `rm -rf /tmp/proof-logs; mkdir -p /tmp/proof-logs; cp ${lab.directory}/*.log /tmp/proof-logs/`,
  )
  await lab.destroy()
})
const datapath = process.env['KERNEL_DATAPATH'] === 'userspace' ? 'userspace' : 'kernel'
const field = await buildKernelField(lab, datapath)
t.comment('built')
const only = process.env['KERNEL_ONLY'] ?? '123456'

if (only.includes('1'))
  await testQuietEvents(
    t,
    field,
    quietEvents(field, { forwarder: datapath === 'kernel' ? 'kernel' : 'proxy', reloads: 20 }),
  )
if (only.includes('2')) await testServerKilled(t, field, 'db2')
if (only.includes('3'))
  await testPowerCuts(t, field, { rounds: 1, seed: Number(process.env['SIM_SEED'] ?? Date.now() % 100_000) })
if (only.includes('7')) await testForeignFirewall(t, field)
if (only.includes('6')) await testFlush(t, field)
if (only.includes('4')) await testBalancersWithServers(t, field)
if (only.includes('5')) await testNothingIsLeft(t, field)
