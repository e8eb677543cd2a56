// No link of a markdown file is dead: the file is there, and so is the heading; files named in the text are there too.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'
import { root } from './keys.ts'

const houses = ['agent', 'balancer', 'shared', 'test', 'packaging']
const pages = ['.', ...houses].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: folder !== '.', encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => join(root, folder, name)),
)

const withoutCode = (text: string): string => text.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '')

/** The anchors of a page, as the sites that show it make them of its headings. */
const anchorsOf = (page: string): ReadonlySet<string> =>
  new Set(
    [...withoutCode(readFileSync(page, 'utf8')).matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )

/** What is wrong with the links of a page that stands at `page`. */
const deadLinks = (page: string, text: string): readonly string[] =>
  [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return []
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? page : resolve(dirname(page), path)
    const isThere = existsSync(target) && (anchor === undefined || anchorsOf(target).has(anchor))
    return isThere ? [] : [`${relative(root, page)}: ${link}`]
  })

const missingFiles = (page: string, text: string): readonly string[] =>
  [...withoutCode(text).matchAll(/`((?:packaging|test)\/[\w@./-]+)`/g)].flatMap(([, path = '']) =>
    existsSync(join(root, path)) ? [] : [`${relative(root, page)}: ${path}`],
  )

t.test('a dead link is found', async (t) => {
  const page = join(root, 'README.md')
  t.same(deadLinks(page, '[a](none.md) [b](README.md#none) [c](LICENSE) [d](https://example.org) [e](#none)'), [
    'README.md: none.md',
    'README.md: README.md#none',
    'README.md: #none',
  ])
  t.same(missingFiles(page, '`test/none.ts` and `packaging/man`'), ['README.md: test/none.ts'])
})

t.test('every relative link of every page leads to a file and a heading', async (t) => {
  t.ok(pages.length >= 7, pages.join(', '))
  const links = pages.flatMap((page) => [...readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)])
  t.ok(links.length > 20, `${links.length} links`)
  t.same(
    pages.flatMap((page) => deadLinks(page, readFileSync(page, 'utf8'))),
    [],
  )
})

t.test('every file of packaging/ and test/ that a page names is there', async (t) => {
  t.same(
    pages.flatMap((page) => missingFiles(page, readFileSync(page, 'utf8'))),
    [],
  )
})
