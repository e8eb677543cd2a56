// A process that makes a lab, says what is in it, and then waits to be killed: for the tests of cleaning up.

import { createLab } from './lab.ts'
import { bootSystemd } from './systemd.ts'

const lab = await createLab({ name: 'doomed' })
const host = await lab.addHost('db1', '198.18.0.11/24')
const program = host.spawn('sleeper', 'sleep', ['600'])
// One that the lab did not start and that does not die with anybody.
await host.run('sh', ['-c', 'setsid sleep 601 >/dev/null 2>&1 &'])
const booted = await lab.addHost('db2', '198.18.0.12/24')
await bootSystemd({ lab, host: booted })
process.stdout.write(`lab ${lab.id} ${lab.directory} ${host.namespace} ${program.pid}\n`)
setInterval(() => undefined, 60_000)
