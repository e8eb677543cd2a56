// @ts-check
// The programs as the packages carry them and labs start them: bundles of esbuild whose entry points stand where the tree has them, so
// that what is forked or started as a thread is found beside its parent. A start from hundreds of modules takes twice the time.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** Packages with a native part stay as they are, in node_modules of the package. */
const nativePackages = ['koffi', 'netlink', 'raw-socket']

/** A program's entry points: what is run, forked, or started as a thread. */
export const programs = {
  agent: ['agent/main.ts'],
  balancer: [
    'balancer/main.ts',
    'balancer/main/director.ts',
    'balancer/main/kernel.ts',
    'balancer/main/proxy.ts',
    'balancer/main/vrrp.ts',
    'balancer/os/script-thread.ts',
  ],
}

/** What version.ts says in a package. @typedef {{ readonly version?: string, readonly builtFrom?: string }} Build */

/**
 * A source as a package has it: with its version and what it is built from, and with its own place where it asks for
 * it, because a bundle's place is another one.
 * @param {string} file
 * @param {Build} build
 */
const prepared = (file, build) => {
  let text = readFileSync(file, 'utf8').replace(/^#!.*\n/, '')
  if (/^(agent|balancer)\/version\.ts$/.test(file)) {
    for (const [name, value] of Object.entries(build)) {
      const line = new RegExp(`^export const ${name}\\b.*$`, 'm')
      if (!line.test(text)) throw new Error(`${file} has no line "export const ${name}", which a package sets`)
      text = text.replace(line, () => `export const ${name}: string | null = ${JSON.stringify(value)}`)
    }
  }
  const own = JSON.stringify(file.replace(/\.ts$/, '.js'))
  return text.replaceAll('import.meta.url', () => `new URL(${own}, packageRoot).href`)
}

/**
 * Bundles one program into `directory`.
 * @param {readonly string[]} entryPoints
 * @param {string} directory
 * @param {string} target the Node that runs it, as esbuild calls it
 * @param {Build} build
 * @returns {Promise<readonly string[]>} the files of which something is in it
 */
export const bundle = async (entryPoints, directory, target, build) => {
  // Not before npm ci.
  const esbuild = await import('esbuild')
  const root = process.cwd()
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints,
    outbase: root,
    outdir: directory,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[hash]',
    format: 'esm',
    platform: 'node',
    target,
    external: nativePackages,
    legalComments: 'none',
    charset: 'utf8',
    metafile: true,
    write: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'own sources',
        setup(/** @type {any} */ { onLoad }) {
          onLoad({ filter: /\.ts$/ }, (/** @type {{ path: string }} */ { path }) => ({
            contents: prepared(relative(root, path), build),
            loader: 'ts',
          }))
        },
      },
    ],
  })
  for (const { path, text } of result.outputFiles) {
    const depth = relative(dirname(path), resolve(directory)) || '.'
    const head =
      `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url); ` +
      `const packageRoot = new URL('${depth}/', import.meta.url);\n`
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, head + text)
  }
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n')
  /** @type {readonly { readonly inputs: Record<string, { readonly bytesInOutput: number }> }[]} */
  const outputs = Object.values(result.metafile.outputs)
  const used = outputs.flatMap(({ inputs }) => Object.entries(inputs).filter(([, input]) => input.bytesInOutput > 0))
  return [...new Set(used.map(([file]) => file))].sort()
}
