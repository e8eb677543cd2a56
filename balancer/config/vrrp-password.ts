// The passwords of VRRP authentication, which stand in a file of their own or in the configuration. They are never shown.

import { statSync } from 'node:fs'
import { readSecretFile, type SecretFile } from './secret-file.ts'
import { type VrrpConfig, vrrpPassword, vrrpPasswordRule } from './vrrp-schema.ts'

const othersMayRead = 0o004

/** Reads a password file. Never throws. */
export const readVrrpPassword = (file: string): SecretFile => {
  const read = readSecretFile(file)
  if (!read.ok || vrrpPassword.test(read.secret)) return read
  return { ok: false, problem: `the first line of ${file} is no VRRP password; ${vrrpPasswordRule}` }
}

/** The configuration with the passwords of its files in it, and warnings about who may read them. */
export const withVrrpPasswords = (
  vrrp: VrrpConfig,
  configFile: string,
): { readonly vrrp: VrrpConfig; readonly warnings: readonly string[] } => {
  const warnings: string[] = []
  const instances = vrrp.instances.map((instance) => {
    const { authentication } = instance
    if (authentication === undefined) return instance
    if (authentication.password_file === undefined) {
      if ((statSync(configFile).mode & othersMayRead) !== 0) {
        warnings.push(`${configFile} holds a VRRP password and is readable by everyone; run: chmod o= ${configFile}`)
      }
      return instance
    }
    const read = readVrrpPassword(authentication.password_file)
    if (!read.ok) return instance
    if (read.warning !== undefined) warnings.push(read.warning)
    return { ...instance, authentication: { ...authentication, password: read.secret } }
  })
  return { vrrp: { ...vrrp, instances }, warnings: [...new Set(warnings)] }
}
