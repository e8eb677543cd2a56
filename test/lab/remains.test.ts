import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createLab, type Lab } from './lab.ts'
import type { LabProcess } from './lab-process.ts'
import { identify, processesInNamespaces } from './proc.ts'
import { waitFor } from './wait-for.ts'

type Doomed = {
  readonly owner: LabProcess
  readonly id: string
  readonly directory: string
  readonly namespace: string
  readonly program: number
}

const entry = fileURLToPath(new URL('./doomed-owner.js', import.meta.url))

// The owner of the doomed lab runs as a program of another lab, so that it is gone whatever happens to the test.
const startDoomed = async (lab: Lab): Promise<Doomed> => {
  const owner = lab.spawn('owner', process.execPath, [entry])
  const [, id = '', directory = '', namespace = '', pid = ''] =
    await owner.waitForOutput(/^lab (\S+) (\S+) (\S+) (\d+)/)
  return { owner, id, directory, namespace, program: Number(pid) }
}

const isGone = ({ id, directory, namespace }: Doomed): boolean =>
  processesInNamespaces([namespace]).length === 0 &&
  [`/run/netns/${namespace}`, `/run/netns/mlab-${id}-switch`, directory, `/run/mysql-balancer-lab/${id}.json`].every(
    (path) => !existsSync(path),
  )

t.test('what a killed owner left is removed by the next lab, and nothing else is touched', async (t) => {
  const bystander = await createLab({ name: 'bystander' })
  t.teardown(bystander.destroy)
  const host = await bystander.addHost('a', '198.18.0.11/24')
  const group = await bystander.addControlGroup('a')
  const innocent = host.spawn('innocent', 'sleep', ['604'])

  const doomed = await startDoomed(bystander)
  t.ok(identify(doomed.program))
  const doomedGroup = join(dirname(group), `mlab-${doomed.id}-db2`)
  t.ok(existsSync(join(doomedGroup, 'init.scope')), 'the group of the booted host')
  await doomed.owner.kill()
  await waitFor('programs of the lab to die with their owner', () => identify(doomed.program) === undefined)

  const next = await createLab({ name: 'next', log: (line) => t.comment(line) })
  t.teardown(next.destroy)
  t.ok(await waitFor('the remains to be gone', () => isGone(doomed)))
  t.notOk(existsSync(doomedGroup))
  t.ok(existsSync(group))
  t.ok(innocent.isRunning())
  t.ok(existsSync(bystander.directory))
  t.same(await host.addresses(), ['198.18.0.11/24'])
})

t.test('an owner that is told to end takes its lab along', async (t) => {
  const lab = await createLab({ name: 'orderly' })
  t.teardown(lab.destroy)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const doomed = await startDoomed(lab)
    t.notOk(isGone(doomed))
    doomed.owner.signal(signal)
    t.same(await doomed.owner.exited, { code: null, signal })
    t.ok(isGone(doomed), `nothing is left after ${signal}`)
  }
})
