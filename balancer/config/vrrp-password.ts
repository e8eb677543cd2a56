// The passwords of VRRP authentication, which stand in a file of their own or in the configuration. They are never shown.

import { readSecretFile, type SecretFile } from './secret-file.ts'
import { type VrrpConfig, vrrpPassword, vrrpPasswordRule } from './vrrp-schema.ts'

/** Reads a password file. Never throws. */
export const readVrrpPassword = (file: string): SecretFile => {
  const read = readSecretFile(file)
  if (!read.ok || vrrpPassword.test(read.secret)) return read
  return { ok: false, problem: `the first line of ${file} is no VRRP password; ${vrrpPasswordRule}` }
}

/** The configuration with the passwords of its files in it. */
export const withVrrpPasswords = (vrrp: VrrpConfig): VrrpConfig => ({
  ...vrrp,
  instances: vrrp.instances.map((instance) => {
    const { authentication } = instance
    if (authentication?.password_file === undefined) return instance
    const read = readVrrpPassword(authentication.password_file)
    return read.ok ? { ...instance, authentication: { ...authentication, password: read.secret } } : instance
  }),
})
