import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadConfig } from '../../balancer/config/load.ts'
import { hashPassword } from '../../balancer/config/password-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'examples-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const root = fileURLToPath(new URL('../../..', import.meta.url))

t.test('the example of balancer.yaml is valid as it stands', async (t) => {
  const passwordFile = join(directory, 'status.password')
  writeFileSync(passwordFile, await hashPassword('example'), { mode: 0o600 })
  const example = readFileSync(join(root, 'packaging/examples/balancer.yaml'), 'utf8')
  const file = join(directory, 'balancer.yaml')
  writeFileSync(file, example.replace('/etc/balancer/status.password', passwordFile))
  t.match(loadConfig(file), { ok: true, warnings: [] })
})

t.test('the README shows that example', async (t) => {
  const example = readFileSync(join(root, 'packaging/examples/balancer.yaml'), 'utf8')
  t.ok(readFileSync(join(root, 'README.md'), 'utf8').includes(example.trim()))
})
