// Why a login broke off before the server judged it: TLS, and the ways to prove a password, in words of ours.

/** What is wrong with TLS, by what the library says of it. */
const tlsMeanings: readonly (readonly [RegExp, string])[] = [
  [
    /altnames|match certificate/i,
    'the certificate of the server is for another name; set mysql.tls.server_name, or verify: ca',
  ],
  [/not yet valid/i, 'the certificate of the server is not valid yet'],
  [/alert.*certificate|certificate required/i, 'the server refuses the certificate of mysql.tls'],
  [/expired/i, 'the certificate of the server has expired'],
  [/self.signed|issuer|first certificate/i, 'mysql.tls.ca has not signed the certificate of the server'],
  [/version|protocol/i, 'the server and the agent have no version of TLS in common (TLSv1.2 or later)'],
]

/** Client plugins that are met in the field and that we do not speak. */
const unspoken = [
  'mysql_clear_password',
  'mysql_old_password',
  'dialog',
  'auth_gssapi_client',
  'authentication_ldap_sasl_client',
  'authentication_kerberos_client',
  'authentication_webauthn_client',
  'authentication_openid_connect_client',
]

/** What to use in the place of a plugin that we do not speak. */
const spoken = 'caching_sha2_password (MySQL), ed25519, parsec or mysql_native_password (MariaDB), or unix_socket'

/** Words for the client library's error `code`, or none. Of `message`, which may quote the server, nothing is passed on. */
export const loginMeaning = (code: string, message: string): string | undefined => {
  if (code === 'HANDSHAKE_SSL_ERROR') {
    const found = tlsMeanings.find(([pattern]) => pattern.test(message))
    return `TLS with the server failed${found === undefined ? '' : `: ${found[1]}`}`
  }
  if (code !== 'AUTH_SWITCH_PLUGIN_ERROR' && code !== 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED') return undefined
  const named = /unknown plugin (\w+)|using (mysql_clear_password)/.exec(message)
  if (named === null) return 'the server wants a way to log in that the agent does not know'
  const plugin = unspoken.find((one) => one === (named[1] ?? named[2])) ?? 'a plugin'
  return `the user logs in with ${plugin}, which the agent does not speak; give it ${spoken}`
}
