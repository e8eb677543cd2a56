// @ts-check
// debian/changelog out of CHANGELOG.md.

import { readFileSync } from 'node:fs'

const width = 76

/**
 * Words in lines.
 * @param {string} text
 */
const wrapped = (text) => {
  const lines = ['']
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? ''
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines
}

/**
 * @param {{ readonly version: string, readonly items: readonly string[], readonly time: number }} entry
 * @param {string} maintainer
 */
const entryText = ({ version, items, time }, maintainer) => {
  const lines = items.flatMap((item) => wrapped(item).map((line, i) => `${i === 0 ? '  * ' : '    '}${line}`))
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000')
  return `mysql-balancer (${version}) unstable; urgency=medium\n\n${lines.join('\n')}\n\n -- ${maintainer}  ${date}\n`
}

/**
 * The change log as Debian writes it. A version that CHANGELOG.md does not know comes first, with one line.
 * @param {string} version
 * @param {string} maintainer
 * @param {{ readonly time: number, readonly builtFrom: string }} state
 */
export const debianChangelog = (version, maintainer, { time, builtFrom }) => {
  const [, ...sections] = readFileSync('CHANGELOG.md', 'utf8').split(/^## /m)
  const entries = sections.map((section) => {
    const [heading = '', ...lines] = section.split('\n')
    const [name = '', day = ''] = heading.split(' - ')
    const items = lines
      .join('\n')
      .split(/^- /m)
      .slice(1)
      .map((item) => item.trim())
    const released = Date.parse(day) / 1000
    return { version: name.trim(), items, time: Number.isNaN(released) ? time : released }
  })
  const isKnown = entries[0]?.version === version
  const own = isKnown ? [] : [{ version, items: [`Built from ${builtFrom} as version ${version}.`], time }]
  return [...own, ...entries].map((entry) => entryText(entry, maintainer)).join('\n')
}
