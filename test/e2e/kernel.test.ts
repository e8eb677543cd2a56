// The kernel datapath under load, with all that can happen to a balancer and to its servers. One lab for all, in order.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { quietEvents, testQuietEvents } from './kernel-events.ts'
import { buildKernelField } from './kernel-field.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-kernel' })
t.teardown(() => lab.destroy())
const datapath = process.env['KERNEL_DATAPATH'] === 'userspace' ? 'userspace' : 'kernel'
const field = await buildKernelField(lab, datapath)
t.comment('built')

await testQuietEvents(
  t,
  field,
  quietEvents(field, { forwarder: datapath === 'kernel' ? 'kernel' : 'proxy', reloads: 20 }),
)
