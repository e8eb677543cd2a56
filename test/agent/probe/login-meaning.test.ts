import t from 'tap'
import { failureOf } from '../../../agent/probe/core/failure.ts'

const shown = (code: string, message: string): string => {
  const failure = failureOf({ code, message, fatal: true })
  t.equal(failure.said, message, 'the log has it as it was said')
  return `${failure.code}: ${failure.text}`
}

t.test('what is wrong with TLS is told in words that quote nobody', async (t) => {
  const table: readonly [string, RegExp][] = [
    [
      "Hostname/IP does not match certificate's altnames: Host: db. is not in the cert's altnames: DNS:secret.test",
      /is for another name; set mysql\.tls\.server_name, or verify: ca$/,
    ],
    ['certificate has expired', /server has expired$/],
    ['self-signed certificate in certificate chain', /mysql\.tls\.ca has not signed/],
    ['unable to get local issuer certificate', /mysql\.tls\.ca has not signed/],
    ['tlsv13 alert certificate required', /refuses the certificate of mysql\.tls/],
    ['wrong version number', /no version of TLS in common/],
    ['secret.test', /^tls-failed: TLS with the server failed$/],
  ]
  for (const [message, wanted] of table) {
    const text = shown('HANDSHAKE_SSL_ERROR', message)
    t.match(text, wanted)
    t.notMatch(text, /secret/)
  }
})

t.test('a way to log in that the agent does not speak is named where it is a known one', async (t) => {
  const asked = (plugin: string): string =>
    shown('AUTH_SWITCH_PLUGIN_ERROR', `Server requests authentication using unknown plugin ${plugin}. See more`)
  t.match(asked('dialog'), /^access-denied: the user logs in with dialog, .*give it caching_sha2/)
  t.match(asked('secret_plugin'), /^access-denied: the user logs in with a plugin, which the agent does not speak/)
  t.match(shown('AUTH_SWITCH_PLUGIN_ERROR', 'secret'), /^access-denied: the server wants a way to log in/)
})
