// What --version prints: a first line for scripts, and below it what a report of a fault needs.

import { release, type } from 'node:os'
import { builtFrom, version } from '../version.ts'

/** Name and version, then what was built, with which Node it runs, and on which kernel. */
export const versionText = (): string =>
  [
    `balancer ${version}`,
    `built from  ${builtFrom ?? 'a checkout'}`,
    `Node        ${process.versions.node} for ${process.platform} ${process.arch}, ${process.execPath}`,
    `kernel      ${type()} ${release()}`,
    '',
  ].join('\n')
