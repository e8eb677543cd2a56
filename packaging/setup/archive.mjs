// @ts-check
// The archive of Debian packages that this machine itself installs from.

import { spawnSync } from 'node:child_process'
import { runStep, StepFailed } from './step.mjs'

/** The archive that this machine itself installs from; undefined where its lists were never fetched. */
const debianArchive = () => {
  const wanted = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian']
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...wanted], { encoding: 'utf8' })
  return stdout?.split('\n').find((line) => line !== '')
}

/** Its address; throws `StepFailed` where the sources of apt name none. */
export const findArchive = async () => {
  const known = debianArchive()
  if (known !== undefined) return known
  await runStep('the lists of packages (apt-get update)', 'apt-get', ['update'], { alone: true })
  const archive = debianArchive()
  if (archive === undefined)
    throw new StepFailed('The sources of apt name no archive of Debian, where these packages come from.')
  return archive
}

/** What its suites are signed with. */
export const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
