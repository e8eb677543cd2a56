// setup-user against a real server: what it does, what it leaves alone, and that no password is seen anywhere.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../lab/command.ts'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { agentProgram } from '../lab/programs.ts'
import { setupHere } from './setup/here.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'setup-user' })
t.teardown(lab.destroy)
const settings = {
  server_id: '1',
  log_bin: 'bin',
  bind_address: '0.0.0.0',
  general_log: 'ON',
  general_log_file: 'general.log',
}
const server = await startMariaDb({ lab, name: 'db1', port: await freePort(), settings })
const directory = join(lab.directory, 'etc')
const file = (name: string): string => join(directory, name)
const passwordFile = file('password')
const configure = (more = ''): void =>
  writeFileSync(
    file('agent.yaml'),
    `mysql: { socket: ${server.socket}, user: chk, password_credential: password }\n${more}`,
  )
mkdirSync(directory)
configure()

// Its home is without a .my.cnf.
process.env['HOME'] = directory
let everySaid = ''
const setup = async (words: readonly string[], given?: string) => {
  if (given !== undefined) writeFileSync(file('given'), given)
  const brought = given === undefined ? [] : ['--password-from', file('given')]
  const said = await setupHere(file('agent.yaml'), [...words, ...brought])
  everySaid += said.stdout + said.stderr
  return said
}
const hosts = async (): Promise<string> =>
  (await server.query("SELECT Host FROM mysql.user WHERE User = 'chk' ORDER BY Host")).map((row) => row['Host']).join()
const mtime = (): number => statSync(passwordFile).mtimeMs
const reset = async (): Promise<void> => {
  for (const host of (await hosts()).split(',')) if (host !== '') await server.query(`DROP USER chk@'${host}'`)
  rmSync(passwordFile, { force: true })
}

// As Debian sets it up.
await server.query('ALTER USER root@localhost IDENTIFIED VIA unix_socket')

t.test('without --apply nothing is changed, and what is shown can be pasted', async (t) => {
  const { code, stdout } = await setup([])
  t.equal(code, 0)
  t.match(
    stdout,
    /^MariaDB \d+\.\d+\.\d+ behind .*mysqld\.sock, standing alone; check\.mode: auto\.\nNothing was changed\./,
  )
  t.match(stdout, /^ {2}CREATE USER IF NOT EXISTS 'chk'@'localhost' IDENTIFIED BY 'PASSWORD';$/m)
  t.same([await hosts(), existsSync(passwordFile)], ['', false])
})

t.test('the user is made once, with a login where clients come in, and its password is in no log', async (t) => {
  const first = await setup(['--apply', '--hosts', '198.18.0.12'])
  t.same(first.code, 0, first.stderr)
  t.match(await hosts(), /^\d+\.\d+\.\d+\.\d+,.*localhost$/)
  t.match(await hosts(), '198.18.0.12')
  t.equal(statSync(passwordFile).mode & 0o777, 0o600)
  const [made, before] = [readFileSync(passwordFile, 'utf8'), await hosts()]
  const second = await setup(['--apply', '--hosts', '198.18.0.12'])
  t.match(second, { code: 0, stdout: /chk is there already, with all it needs\./ })
  t.same([readFileSync(passwordFile, 'utf8'), await hosts()], [made, before])
  t.match(await setup([]), { code: 0, stdout: /Nothing is to do\./ })
  for (const name of readdirSync(server.dataDirectory).filter((one) => /^(general\.log|bin\.\d+)$/.test(one))) {
    t.notMatch(readFileSync(join(server.dataDirectory, name), 'latin1'), made.trim(), name)
  }
  t.match(readFileSync(join(server.dataDirectory, 'bin.000001'), 'latin1'), /CREATE USER IF NOT EXISTS 'chk'/)
  t.notMatch(everySaid, made.trim())
})

t.test('of two at once one waits for the other, and the file has the password that the server knows', async (t) => {
  await reset()
  const both = await Promise.all([setup(['--apply']), setup(['--apply'])])
  t.match(both, [{ code: 0 }, { code: 0 }])
  t.same(both.filter(({ stdout }) => /there already, with all it needs/.test(stdout)).length, 1)
  t.match(await setup([]), { code: 0, stdout: /Nothing is to do\./ })
})

t.test('a user that is there keeps its password, and one from another node is taken', async (t) => {
  const password = readFileSync(passwordFile, 'utf8')
  rmSync(passwordFile)
  const unknown = await setup(['--apply'])
  t.match(unknown, { code: 1, stderr: /^chk is on this server already .*Nothing was changed\.\n/ })
  t.match(unknown.stderr, `ssh OTHER-NODE cat ${passwordFile} | mysqlchk-agent setup-user --apply --config`)
  t.match(await setup(['--apply'], 'wrong\n'), {
    code: 1,
    stderr: /does not take the password/,
  })
  t.notOk(existsSync(passwordFile), 'a wrong one is not kept')
  t.match(await setup(['--apply'], password), { code: 0, stdout: /there already/ })
  t.equal(readFileSync(passwordFile, 'utf8'), password)
  writeFileSync(passwordFile, 'another\n')
  const before = mtime()
  t.match(await setup(['--apply']), { code: 1, stderr: /does not take the password of .*password for chk/ })
  t.equal(mtime(), before)
  t.match(await setup(['--apply', '--set-password']), { code: 0, stdout: /ALTER USER 'chk'@'localhost'/ })
  t.match(await setup(['--apply']), { code: 0, stdout: /there already/ })
})

t.test('a server that is read-only is not written to', async (t) => {
  await reset()
  await server.query('SET GLOBAL read_only = ON')
  const { code, stderr } = await setup(['--apply'])
  t.equal(code, 1)
  t.match(stderr, /^Users are not made here: read_only is ON\. Nothing was changed\./)
  t.match(stderr, /What this server lacks:\n {2}CREATE USER IF NOT EXISTS 'chk'@'localhost'/)
  t.same([await hosts(), existsSync(passwordFile)], ['', false])
  await server.query('SET GLOBAL read_only = OFF')
})

t.test('rules for passwords: the random one passes, one that is refused leaves nothing behind', async (t) => {
  await reset()
  await server.query("INSTALL SONAME 'simple_password_check'")
  t.teardown(() => server.query("UNINSTALL SONAME 'simple_password_check'"))
  const refused = await setup(['--apply'], 'weak\n')
  t.match(refused, {
    code: 1,
    stderr: /its rules for passwords refuse this one .*--password-from FILE\. Nothing was changed/,
  })
  t.same([await hosts(), existsSync(passwordFile)], ['', false])
  const { code, stdout } = await setup(['--apply'])
  t.equal(code, 0)
  t.match(stdout, /took no hash: its binary log has this one in the clear/)
})

t.test('the heartbeat gets its table and its grant', async (t) => {
  configure('check: { timeout: 20s, heartbeat: { table: chkdb.beat } }\n')
  t.match(await setup(['--apply']), { code: 0, stdout: /GRANT SELECT, INSERT, UPDATE ON `chkdb`\.`beat` TO 'chk'/ })
  const once = await run(process.execPath, [agentProgram, 'once', '--config', file('agent.yaml')])
  t.match(once.stdout, /^HTTP\/1\.1 200/)
  t.equal((await server.query('SELECT * FROM chkdb.beat')).length, 1)
  configure()
})

t.test('an administrator with a password logs in by an option file', async (t) => {
  await reset()
  await server.query("CREATE USER dba@localhost IDENTIFIED BY 'dba-secret'")
  await server.query('GRANT ALL ON *.* TO dba@localhost WITH GRANT OPTION')
  await server.query("ALTER USER root@localhost IDENTIFIED BY 'root-secret'")
  const closed = await setup(['--apply'])
  t.match(closed, {
    code: 1,
    stderr: /root is not let in over .*\. Name a file with its login, section \[client\]: --option-file/,
  })
  writeFileSync(file('dba.cnf'), '[client]\nuser = dba\npassword = dba-secret\n', { mode: 0o600 })
  t.match(await setup(['--apply', '--option-file', file('dba.cnf')]), { code: 0 })
  writeFileSync(file('.my.cnf'), '[client]\npassword = root-secret\n', { mode: 0o600 })
  t.match(await setup(['--apply']), { code: 0, stdout: /there already/ }, 'and by the .my.cnf of root')
  t.match(await setup(['--option-file', file('none.cnf')]), { code: 1, stderr: /none\.cnf does not exist/ })
  t.notMatch(everySaid, /dba-secret|root-secret/)
})

t.test('what cannot work is told in one line', async (t) => {
  t.match(await setup(['--socket', file('no.sock')]), {
    code: 1,
    stderr: /^mysqlchk-agent: no server listens at .*--socket PATH\n$/,
  })
  const words = [process.execPath, agentProgram, 'setup-user', '--config', file('agent.yaml')]
  const other = await run('setpriv', ['--reuid=65534', '--clear-groups', '--', ...words])
  t.match(other, { code: 1, stderr: /^mysqlchk-agent: root alone can do this: sudo mysqlchk-agent setup-user/ })
  rmSync(passwordFile)
  mkdirSync(passwordFile)
  t.match(await setup(['--apply']), { code: 1, stderr: /password is not a file/ })
  rmSync(passwordFile, { recursive: true })
  writeFileSync(
    file('agent.yaml'),
    `mysql: { socket: ${server.socket}, user: chk, password_file: /proc/none/password }\n`,
  )
  t.match(await setup(['--apply', '--set-password']), {
    code: 1,
    stderr: /password cannot be written: .*Nothing was changed/,
  })
})
