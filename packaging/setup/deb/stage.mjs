// @ts-check
// The source tree that debhelper builds from: bundles, native sources, Node, and packaging/ of the repository.

import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bundle, programs } from '../bundle.mjs'
import { debianChangelog } from './changelog.mjs'
import { koffiComponent, nodeComponent, npmComponent, npmComponentsOf } from './components.mjs'
import { copyrightFile } from './copyright.mjs'
import { billOfMaterials } from './sbom.mjs'
import { koffiDirectory, nodeArchitecture, nodeDirectory } from './tools.mjs'

/** @typedef {import('./options.mjs').DebOptions} DebOptions */

const executable = 0o755

/**
 * @param {string} file
 * @param {string} text
 * @param {number} [mode]
 */
const write = (file, text, mode) => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  if (mode !== undefined) chmodSync(file, mode)
}

/**
 * Copies files of an npm package, and its package.json.
 * @param {string} from
 * @param {string} to
 * @param {readonly string[]} files
 */
const copyPackage = (from, to, files) => {
  for (const file of ['package.json', ...files]) cpSync(join(from, file), join(to, file), { recursive: true })
}

/**
 * The JavaScript of the packages with native parts. What is compiled here is added by debian/rules.
 * @param {string} modules node_modules of a package
 * @param {DebOptions} options
 */
const copyKoffi = (modules, { architecture }) => {
  copyPackage('node_modules/koffi', join(modules, 'koffi'), [
    'index.js',
    'src/koffi/index.js',
    'src/koffi/src/static.js',
  ])
  const node = nodeArchitecture[architecture]
  // Without the part for musl: what it links to is not in Debian.
  const files = ['index.js', `linux_${node}/koffi.node`]
  copyPackage(koffiDirectory(architecture), join(modules, `@koromix/koffi-linux-${node}`), files)
}

/**
 * @param {string} modules
 */
const copyNetworkPackages = (modules) => {
  copyPackage('node_modules/raw-socket', join(modules, 'raw-socket'), ['index.js'])
  copyPackage('node_modules/node-gyp-build', join(modules, 'node-gyp-build'), ['index.js', 'node-gyp-build.js'])
  const scripts = readdirSync('node_modules/netlink/dist', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .map((file) => join('dist', file))
  copyPackage('node_modules/netlink', join(modules, 'netlink'), scripts)
}

/**
 * The command: it starts the program with its own Node, whatever is in PATH and in the caller's environment.
 * @param {string} name of the package
 * @param {string} main
 */
const launcher = (name, main) => `#!/bin/sh
# Options for another Node than the one inside are none of its business.
unset NODE_OPTIONS NODE_PATH
exec /usr/lib/${name}/bin/node /usr/lib/${name}/${main} "$@"
`

/** Nobody answers for these packages by mail. */
const maintainer = 'The mysql-balancer maintainers <maintainers@mysql-balancer.invalid>'

/**
 * The packages: what the program is called here and by operators, and npm packages that are not in its bundle.
 * @type {readonly { readonly name: string, readonly program: keyof typeof programs, readonly command: string, readonly modules: readonly string[] }[]}
 */
const packages = [
  { name: 'mysqlchk-agent', program: 'agent', command: 'mysqlchk-agent', modules: ['koffi'] },
  {
    name: 'mysql-balancer',
    program: 'balancer',
    command: 'balancer',
    modules: ['koffi', 'netlink', 'node-gyp-build', 'raw-socket', 'nan', 'node-addon-api'],
  },
]

/**
 * Lays out the whole tree in `directory`.
 * @param {string} directory
 * @param {DebOptions} options
 * @param {{ readonly time: number, readonly builtFrom: string }} state
 */
export const stage = async (directory, options, state) => {
  const { version, architecture } = options
  const debian = join(directory, 'debian')
  cpSync('packaging', join(directory, 'packaging'), { recursive: true })
  cpSync('packaging/debian', debian, { recursive: true })

  for (const { name, program, command, modules } of packages) {
    const lib = join(directory, 'lib', name)
    const files = await bundle(programs[program], lib, 'node24', { version, builtFrom: state.builtFrom })
    copyKoffi(join(lib, 'node_modules'), options)
    if (modules.includes('netlink')) copyNetworkPackages(join(lib, 'node_modules'))
    write(join(directory, 'bin', command), launcher(name, `${program}/main.js`), executable)

    const components = [
      ...npmComponentsOf(files),
      ...modules.map((module) => npmComponent(join('node_modules', module))),
      koffiComponent(architecture),
      nodeComponent(architecture),
    ]
    const subject = { name, version, architecture, time: state.time }
    write(join(directory, 'sbom', name, 'sbom.cdx.json'), billOfMaterials(subject, components))
    write(join(debian, `${name}.copyright`), copyrightFile(components))
  }

  const native = join(directory, 'native')
  cpSync('node_modules/raw-socket/src', join(native, 'raw-socket'), { recursive: true })
  cpSync('node_modules/netlink/src', join(native, 'netlink'), { recursive: true })
  for (const name of ['nan', 'node-addon-api']) {
    cpSync(join('node_modules', name), join(native, name), { recursive: true })
  }
  for (const part of ['bin/node', 'include']) {
    cpSync(join(nodeDirectory(architecture), part), join(directory, 'node', part), { recursive: true })
  }

  for (const unit of ['mysqlchk-agent.service', 'mysqlchk-agent@.service']) {
    cpSync(join('packaging/agent', unit), join(debian, unit))
  }
  for (const each of ['', '@']) {
    const unit = `mysqlchk-agent-direct-return${each}.service`
    cpSync(join('packaging/agent', unit), join(debian, `mysqlchk-agent.${unit}`))
  }
  cpSync('packaging/balancer/balancer.service', join(debian, 'mysql-balancer.balancer.service'))
  write(join(debian, 'control'), readFileSync('packaging/debian/control', 'utf8').replace('@MAINTAINER@', maintainer))
  write(join(debian, 'changelog'), debianChangelog(version, maintainer, state))
}
