// @ts-check
// The source tree that debhelper builds from: bundles, native sources, Node, and packaging/ of the repository.

import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bundle } from './bundle.mjs'
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

/**
 * Lays out the whole tree in `directory`.
 * @param {string} directory
 * @param {DebOptions} options
 * @param {{ readonly time: number, readonly commit: string | null }} state
 */
export const stage = async (directory, options, state) => {
  const build = { version: options.version, commit: state.commit }
  const lib = join(directory, 'lib')
  await bundle('agent', join(lib, 'mysqlchk-agent'), build)
  await bundle('balancer', join(lib, 'mysql-balancer'), build)
  copyKoffi(join(lib, 'mysqlchk-agent/node_modules'), options)
  copyKoffi(join(lib, 'mysql-balancer/node_modules'), options)
  copyNetworkPackages(join(lib, 'mysql-balancer/node_modules'))
  write(join(directory, 'bin/mysqlchk-agent'), launcher('mysqlchk-agent', 'agent/main.js'), executable)
  write(join(directory, 'bin/balancer'), launcher('mysql-balancer', 'balancer/main.js'), executable)

  const native = join(directory, 'native')
  cpSync('node_modules/raw-socket/src', join(native, 'raw-socket'), { recursive: true })
  cpSync('node_modules/netlink/src', join(native, 'netlink'), { recursive: true })
  for (const name of ['nan', 'node-addon-api']) {
    cpSync(join('node_modules', name), join(native, name), { recursive: true })
  }
  for (const part of ['bin/node', 'include', 'LICENSE']) {
    cpSync(join(nodeDirectory(options.architecture), part), join(directory, 'node', part), { recursive: true })
  }

  cpSync('packaging', join(directory, 'packaging'), { recursive: true })
  const debian = join(directory, 'debian')
  cpSync('packaging/debian', debian, { recursive: true })
  for (const unit of ['mysqlchk-agent.service', 'mysqlchk-agent@.service']) {
    cpSync(join('packaging/agent', unit), join(debian, unit))
  }
  const unit = 'packaging/balancer/balancer.service'
  if (existsSync(unit)) cpSync(unit, join(debian, 'mysql-balancer.balancer.service'))
  const maintainer = 'The mysql-balancer maintainers <maintainers@mysql-balancer.invalid>'
  write(join(debian, 'control'), readFileSync('packaging/debian/control', 'utf8').replace('@MAINTAINER@', maintainer))
  write(
    join(debian, 'changelog'),
    `mysql-balancer (${options.version}) unstable; urgency=medium\n\n  * See the change log.\n\n -- ${maintainer}  ${new Date(state.time * 1000).toUTCString().replace('GMT', '+0000')}\n`,
  )
}
