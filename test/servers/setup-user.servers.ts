// setup-user on MySQL 9.7 and MariaDB 11.8: a source and its replica, logs, and rules for passwords.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { setupHere } from '../agent/setup/here.ts'
import { createLab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { type Product, type RootedServer, startRooted } from '../lab/server-root.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'setup' })
t.teardown(lab.destroy)
const home = join(lab.directory, 'home')
mkdirSync(home)
process.env['HOME'] = home

const gtid = { 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON' }
const start = async (product: Product, id: number): Promise<RootedServer> =>
  startRooted({
    lab,
    product,
    name: `${product}${id}`,
    port: await freePort(),
    settings: {
      'server-id': `${id}`,
      'log-bin': 'bin',
      'general-log': 'ON',
      'general-log-file': 'general.log',
      ...(product === 'mysql' ? gtid : {}),
    },
  })

const products = [
  {
    product: 'mysql',
    grant: 'REPLICATION CLIENT',
    follow: (port: number) => [
      `CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${port}, SOURCE_USER='rpl', SOURCE_PASSWORD='rpl',
       SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1`,
      'START REPLICA',
    ],
    rules: "INSTALL COMPONENT 'file://component_validate_password'",
  },
  {
    product: 'mariadb',
    grant: 'SLAVE MONITOR',
    follow: (port: number) => [
      `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='rpl', MASTER_PASSWORD='rpl',
       MASTER_USE_GTID=slave_pos, MASTER_SSL_VERIFY_SERVER_CERT=0`,
      'START SLAVE',
    ],
    rules: "INSTALL SONAME 'simple_password_check'",
  },
] as const

for (const { product, grant, follow, rules } of products) {
  t.test(`${product}: the user is made on the source, and its replica takes the password`, async (t) => {
    const [source, replica] = await Promise.all([start(product, 1), start(product, 2)])
    const setup = (server: RootedServer, ...words: readonly string[]) => {
      const file = join(lab.directory, `${server.name}.yaml`)
      const mysql = `{ socket: ${server.socket}, client_address: none, password_credential: password }`
      writeFileSync(file, `mysql: ${mysql}\n`)
      return setupHere(file, words)
    }
    await source.query(
      "CREATE USER rpl@'127.0.0.1' IDENTIFIED BY 'rpl'",
      "GRANT REPLICATION SLAVE ON *.* TO rpl@'127.0.0.1'",
    )
    await replica.query(...follow(source.port), 'SET GLOBAL read_only = ON')
    await waitFor('the replica at its source', async () =>
      (await source.query('SHOW PROCESSLIST')).some((row) => /^Binlog Dump/.test(String(row['Command']))),
    )

    const early = await setup(replica, '--apply')
    t.match(early, { code: 1, stderr: new RegExp(`come from 127\\.0\\.0\\.1:${source.port}\\. Run there`) })
    const made = await setup(source, '--apply')
    t.match(made, { code: 0, stdout: new RegExp(`GRANT ${grant} ON \\*\\.\\* TO 'mysqlchkusr'@'localhost'`) })
    const passwordFile = join(lab.directory, `${source.name}.password`)
    const password = readFileSync(passwordFile, 'utf8').trim()
    await waitFor('the user on the replica', async () =>
      /REPLICATION CLIENT|SLAVE MONITOR/.test(
        JSON.stringify(await replica.query('SHOW GRANTS FOR mysqlchkusr@localhost')),
      ),
    )
    t.match(await setup(replica, '--apply', '--password-from', passwordFile), { code: 0, stdout: /there already/ })
    t.match(await setup(source, '--apply'), { code: 0, stdout: /there already/ })

    for (const server of [source, replica]) {
      const data = join(lab.directory, server.name, 'data')
      const logs = readdirSync(data).filter((name) => /^(general\.log|bin\.\d+|.*relay-bin\.\d+)$/.test(name))
      t.ok(logs.length >= 2, logs.join())
      for (const name of logs) t.notMatch(readFileSync(join(data, name), 'latin1'), password, name)
    }
    t.notMatch(made.stdout + made.stderr, password)

    await source.query(rules, 'DROP USER mysqlchkusr@localhost')
    rmSync(passwordFile)
    writeFileSync(join(home, 'weak'), 'weak\n')
    const refused = await setup(source, '--apply', '--password-from', join(home, 'weak'))
    t.match(refused, { code: 1, stderr: /its rules for passwords refuse this one/ })
    t.match(await setup(source, '--apply'), { code: 0, stdout: /a password made at random/ })
  })
}
