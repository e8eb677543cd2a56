// @ts-check
// The bill of materials of a package, in CycloneDX 1.5: what of others is in it, for those who look for what is vulnerable.

import { createHash } from 'node:crypto'

/** @typedef {import('./components.mjs').Component} Component */

/**
 * The hash in an entry of a lockfile, as CycloneDX writes it.
 * @param {string | undefined} integrity
 */
const hashes = (integrity) => {
  const [, content] = integrity?.match(/^sha512-(.+)$/) ?? []
  return content === undefined
    ? {}
    : { hashes: [{ alg: 'SHA-512', content: Buffer.from(content, 'base64').toString('hex') }] }
}

/**
 * @param {Component} component
 */
const componentEntry = ({ name, version, licence, integrity, bundles }) => {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  return {
    type: bundles.length > 0 ? 'platform' : 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    licenses: [
      { license: licence === 'Node' ? { name: 'Node.js, with those of the libraries inside' } : { id: licence } },
    ],
    ...hashes(integrity),
    ...(bundles.length === 0
      ? {}
      : {
          components: bundles.map((inner) => ({
            type: 'library',
            'bom-ref': `${purl}#${inner.name}`,
            name: inner.name,
            version: inner.version,
            purl: `pkg:generic/${inner.name}@${inner.version}`,
          })),
        }),
  }
}

/**
 * The text of the bill.
 * @param {{ readonly name: string, readonly version: string, readonly architecture: string, readonly time: number }} subject
 * @param {readonly Component[]} components
 */
export const billOfMaterials = ({ name, version, architecture, time }, components) => {
  const ref = `pkg:deb/${name}@${version}?arch=${architecture}`
  const entries = components.map(componentEntry)
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      component: {
        type: 'application',
        'bom-ref': ref,
        name,
        version,
        purl: ref,
        licenses: [{ license: { id: 'Apache-2.0' } }],
      },
    },
    components: entries,
    dependencies: [{ ref, dependsOn: entries.map((entry) => entry['bom-ref']) }],
  }
  // A serial number is asked for that two builds of the same agree upon.
  const digest = createHash('sha256').update(JSON.stringify(bill)).digest('hex')
  const uuid = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`
  const { bomFormat, specVersion, ...rest } = bill
  return `${JSON.stringify({ bomFormat, specVersion, serialNumber: `urn:uuid:${uuid}`, ...rest }, undefined, 2)}\n`
}
