// A stranger's path: clean systems, a MariaDB, and the commands of the README's install section alone.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'
import { application, bootSite, queryThrough } from './pair.ts'
import { debians, fileOf, type Machine, type PackageName } from './system.ts'

t.setTimeout(600_000)

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
/** The blocks that the README marks for a host, such as `<!-- install: lb1 -->`, in their order. */
const blocks = [...readme.matchAll(/^<!-- install: (\S+) -->\n```sh\n([\s\S]*?)^```$/gm)].map(
  ([, host = '', commands = '']) => ({ host, commands }),
)

for (const system of debians) {
  await t.test(`${system.title}: the README alone leads to a virtual address that answers`, async (t) => {
    const lab = await createLab({ name: 'packages-stranger' })
    t.teardown(() => lab.destroy())
    const { lb1, lb2, db1, client } = await bootSite(lab, system)
    const copied = async (machine: Machine, name: PackageName): Promise<void> => {
      await machine.shell(`cp ${fileOf(name)} /root/${name}_1_amd64.deb`)
    }
    await Promise.all([copied(lb1, 'mysql-balancer'), copied(lb2, 'mysql-balancer'), copied(db1, 'mysqlchk-agent')])

    const hosts: Readonly<Record<string, Machine>> = { db: db1, lb1, lb2 }
    t.same([...new Set(blocks.map(({ host }) => host))].toSorted(), Object.keys(hosts).toSorted())
    const begun = performance.now()
    for (const { host, commands } of blocks) await hosts[host]?.shell(`cd /root\n${commands}`)
    const answer = await waitFor(`an answer for ${application.user} at the virtual address`, async () => {
      const said = await queryThrough(client)
      return /^\w+$/.test(said) ? said : undefined
    })
    t.equal(answer, 'db1')
    t.comment(
      `from clean systems to a virtual address that answers: ${((performance.now() - begun) / 1000).toFixed(1)} s`,
    )
    for (const machine of [lb1, lb2]) t.equal(await machine.property('balancer.service', 'UnitFileState'), 'enabled')
  })
}
