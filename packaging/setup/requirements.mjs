// @ts-check
// What must be there before anything is changed: Linux, Node, root, network namespaces.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const neededNode = [20, 18]

const nodeIsNewEnough = () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [neededMajor = 0, neededMinor = 0] = neededNode
  return major > neededMajor || (major === neededMajor && minor >= neededMinor)
}

const isRoot = () => process.getuid?.() === 0

const namespaceProblem = () => {
  const { error, status, stderr } = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' })
  if (error) return 'The command unshare is missing. Install it: apt-get install util-linux'
  if (status === 0) return undefined
  return (
    `Network namespaces cannot be made here (${stderr.trim()}). ` +
    'In a container, start it privileged (docker run --privileged, or with CAP_SYS_ADMIN and CAP_NET_ADMIN).'
  )
}

const isDebian = () => ['/usr/bin/apt-get', '/usr/bin/dpkg-query'].every((file) => existsSync(file))

/**
 * One sentence for everything that is missing and cannot be installed from here, with what to do.
 * @param {{ readonly hosts: boolean }} needs `hosts`: hosts of a lab are going to be made
 * @returns {readonly string[]}
 */
export const unmetRequirements = ({ hosts }) => {
  if (process.platform !== 'linux')
    return [`It needs Linux, and this is ${process.platform}. Use a Debian or Ubuntu machine.`]
  const problems = []
  if (!nodeIsNewEnough()) {
    problems.push(
      `It needs Node ${neededNode.join('.')} or newer, and this is ${process.versions.node}. Install a newer Node.`,
    )
  }
  if (hosts && isRoot()) problems.push(namespaceProblem())
  else if (hosts) problems.push('It needs root: hosts are network namespaces. Run it as root, or with sudo.')
  if (!isDebian()) problems.push('It needs Debian or Ubuntu, whose packages it uses: apt-get or dpkg-query is missing.')
  return problems.filter((problem) => problem !== undefined)
}
