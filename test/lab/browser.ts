// Debian's Chromium without a window, driven over its debugging pipe, and the rules of accessibility that a page is judged by.

import { existsSync } from 'node:fs'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { z } from 'zod'

const programs = ['/usr/lib/chromium/chromium-headless-shell', '/usr/bin/chromium', '/snap/bin/chromium']

/** Starts it; whoever asks closes it. */
export const startBrowser = (): Promise<Browser> => {
  const executablePath = programs.find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error(`there is no Chromium; looked for ${programs.join(', ')}`)
  return chromium.launch({ executablePath })
}

/** A phone and a desktop, each in both colour schemes. */
export const looks = (['light', 'dark'] as const).flatMap(
  (colorScheme) =>
    [
      { name: `phone, ${colorScheme}`, colorScheme, viewport: { width: 390, height: 844 } },
      { name: `desktop, ${colorScheme}`, colorScheme, viewport: { width: 1440, height: 900 } },
    ] satisfies (BrowserContextOptions & { name: string })[],
)

const found = z.object({
  violations: z.array(
    z.object({ id: z.string(), impact: z.string().nullable(), nodes: z.array(z.object({ html: z.string() })) }),
  ),
})

/** What axe finds: the rule, how grave it is, and where. Of `rules` alone, where they are given. */
export const violationsOn = async (page: Page, rules?: readonly string[]): Promise<readonly string[]> => {
  await page.evaluate(axe.source)
  // What is out of sight is judged too.
  await page.evaluate("for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible'")
  const options = JSON.stringify({ resultTypes: ['violations'], ...(rules === undefined ? {} : { runOnly: rules }) })
  const { violations } = found.parse(await page.evaluate(`axe.run(${options})`))
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html).join(' | ')}`)
}
