// `npm run screenshots`: draws the pictures of the status page for the README, of a site that is made up.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { startStatusPage } from '../../balancer/admin/http/status-page.ts'
import { hashPassword } from '../../balancer/config/password-file.ts'
import { looks, startBrowser, violationsOn } from '../lab/browser.ts'
import { madeUpSite } from './made-up-site.ts'

const images = fileURLToPath(new URL('../../../packaging/images', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'balancer-screenshots-'))
const passwordFile = join(directory, 'password')
const [username, password] = ['admin', 'made up']
writeFileSync(passwordFile, await hashPassword(password), { mode: 0o600 })
const port = 18_888
const { http, scene } = madeUpSite(`127.0.0.1:${port}`, passwordFile)
const page = await startStatusPage({
  http,
  scene,
  run: async () => ({ ok: true, text: 'done' }),
  log: pino({ level: 'silent' }),
})
const browser = await startBrowser()
try {
  mkdirSync(images, { recursive: true })
  for (const {
    name,
    colorScheme,
    viewport: { width },
  } of looks) {
    const viewport = { width, height: width < 500 ? 1200 : 1600 }
    const context = await browser.newContext({
      deviceScaleFactor: 0.75,
      colorScheme,
      viewport,
      httpCredentials: { username, password },
    })
    const tab = await context.newPage()
    await tab.goto(`http://127.0.0.1:${port}/status`)
    await tab.getByText('live,').waitFor()
    const file = `status-${name.replace(', ', '-')}.png`
    writeFileSync(join(images, file), await tab.screenshot())
    const violations = await violationsOn(tab)
    console.log(`${file}: axe finds ${violations.length === 0 ? 'nothing' : violations.join('\n')}`)
    await context.close()
  }
} finally {
  await browser.close()
  page.stop()
  rmSync(directory, { recursive: true })
}
