// @ts-check
// The copyright file of a package (DEP-5): the project's own licence, and that of everything bundled, word for word.

/** @typedef {import('./components.mjs').Component} Component */

/**
 * Text as the continuation of a field.
 * @param {string} text
 */
const continued = (text) =>
  text
    .trim()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd().replaceAll('\t', '    ')}`))
    .join('\n')

/**
 * The holders that a licence names; it may say "copyright" in its conditions too.
 * @param {Component} component
 */
const holders = ({ name, licence, text }) => {
  if (licence === 'Node') return ['Node.js contributors, and others, as the licence says for each part']
  const lines = text.split('\n').map((line) => line.trim())
  // Some name no year: Copyright Eemeli Aro.
  const patterns = [/^copyright\b.*\d{4}/i, /^Copyright [A-Z]/]
  const found = patterns.map((pattern) => lines.filter((line) => pattern.test(line) && !line.includes('[yyyy]')))
  const named = found.find((some) => some.length > 0) ?? []
  const own = named.map((line) => line.replace(/^copyright\s*(\(c\)|©)?\s*/i, ''))
  return own.length > 0 ? own : [`the authors of ${name}`]
}

const apache = `License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.`

/**
 * @param {Component} component
 */
const stanza = (component) => {
  const { source, licence, text } = component
  const copyright = holders(component).map((line, i) => (i === 0 ? `Copyright: ${line}` : `           ${line}`))
  const words = licence === 'Apache-2.0' ? 'License: Apache-2.0' : `License: ${licence}\n${continued(text)}`
  return `Files: ${source}/*\n${copyright.join('\n')}\n${words}`
}

/**
 * The text of the copyright file.
 * @param {readonly Component[]} components
 */
export const copyrightFile = (components) =>
  `${[
    `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: mysql-balancer
Comment: Bundled from npm: what is named below under node_modules, and Node.js. Their exact versions stand in the bill of
 materials, sbom.cdx.json.`,
    `Files: *
Copyright: the authors of mysql-balancer
License: Apache-2.0`,
    ...components.map(stanza),
    apache,
  ].join('\n\n')}\n`
