// What the packages cost on a host: disk, memory at rest, time to start. The run ends with the table.

import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'
import { bootMachine, debians, fileOf, type Machine, type PackageName, waitForUnit } from './system.ts'

t.setTimeout(300_000)

const times = 3
const table = fileURLToPath(new URL('../../../debs/test/figures.md', import.meta.url))
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
const running = { ActiveState: 'active', SubState: 'running' }

const installedSize = async (machine: Machine, name: PackageName): Promise<string> => {
  const size = await machine.mustRun('dpkg-query', ['--show', `--showformat=\${Installed-Size}`, name])
  return `${Math.round(Number(size) / 1024)} MiB`
}

/** From the order to the moment in which the unit says that it is ready, in milliseconds. */
const startTime = async (machine: Machine, unit: string): Promise<number> => {
  const took: number[] = []
  for (let i = 0; i < times; i += 1) {
    await machine.shell(`systemctl restart ${unit}`)
    const at = async (name: string) => Number(await machine.property(unit, name))
    took.push(((await at('ActiveEnterTimestampMonotonic')) - (await at('InactiveExitTimestampMonotonic'))) / 1000)
  }
  return Math.round(median(took))
}

/** The processes of a unit by their place in the program, and the memory of each in MiB (proportional set size). */
const memoryOf = async (machine: Machine, unit: string): Promise<ReadonlyMap<string, number>> => {
  const script = `for pid in $(cat /sys/fs/cgroup/system.slice/${unit}/cgroup.procs); do
    echo "$(awk '/^Pss:/ { print $2 }' /proc/$pid/smaps_rollup) $(tr '\\0' ' ' </proc/$pid/cmdline)"
  done`
  const lines = (await machine.shell(script)).trim().split('\n')
  return new Map(
    lines.map((line) => {
      const [, kilobytes, command = ''] = line.match(/^(\d+) (.*)$/) ?? []
      return [command.match(/(\w+)\.js/)?.[1] ?? command.trim(), Number(kilobytes) / 1024]
    }),
  )
}

const memoryAtRest = async (machine: Machine, unit: string): Promise<readonly string[]> => {
  const looks: ReadonlyMap<string, number>[] = []
  // A process that has just started still collects what its start has left over.
  await machine.shell('sleep 20')
  for (let i = 0; i < times; i += 1) {
    await machine.shell('sleep 1')
    looks.push(await memoryOf(machine, unit))
  }
  const names = [...(looks[0]?.keys() ?? [])]
  return names.map((name) => `${name} ${median(looks.map((look) => look.get(name) ?? 0)).toFixed(0)} MiB`)
}

const [system] = debians
if (system === undefined) t.comment('Debian is not among the chosen systems: nothing is measured')
else {
  await t.test(`${system.title}: disk, memory and start time of both packages`, async (t) => {
    const lab = await createLab({ name: 'packages-figures' })
    t.teardown(() => lab.destroy())
    const db1 = await bootMachine({ lab, system, name: 'db1', cidr: '198.18.0.11/24', withServer: true })
    const lb1 = await bootMachine({ lab, system, name: 'lb1', cidr: '198.18.0.2/24' })
    await Promise.all([db1.apt('install', fileOf('mysqlchk-agent')), lb1.apt('install', fileOf('mysql-balancer'))])
    await waitFor('MariaDB', () => db1.shell('mysqlchk-agent setup-user --apply'))
    await lb1.shell(
      'balancer setup --yes --interface eth0 --address 198.18.0.100/24:3306 --servers db1=198.18.0.11 --peer none --router-id lb1 --priority 101',
    )
    const rows: string[] = [
      '| package | on disk | start, median of 3 | memory at rest (PSS), median of 3 |',
      '| --- | --- | --- | --- |',
    ]
    const measured: readonly (readonly [Machine, PackageName, string])[] = [
      [db1, 'mysqlchk-agent', 'mysqlchk-agent.service'],
      [lb1, 'mysql-balancer', 'balancer.service'],
    ]
    for (const [machine, name, unit] of measured) {
      const start = await startTime(machine, unit)
      await waitForUnit(machine, unit, running)
      const memory = await memoryAtRest(machine, unit)
      t.ok(start > 0 && memory.length > 0, name)
      rows.push(`| ${name} | ${await installedSize(machine, name)} | ${start} ms | ${memory.join(', ')} |`)
    }
    writeFileSync(table, `${rows.join('\n')}\n`)
  })
}
