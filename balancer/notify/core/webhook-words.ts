// What came of a request to a webhook, in words that say what to look at.

/** What an answer with this status means, and what to do about it where that is plain. */
export const answerText = (status: number): string => {
  const advice = status >= 300 && status < 400 ? redirection : advices[status]
  return `answered ${status}${advice === undefined ? '' : `: ${advice}`}`
}

/** Following it could lead a secret header anywhere. */
const redirection = 'a redirection is not followed; write the address that it leads to'
const advices: Readonly<Record<number, string>> = {
  400: 'it does not take our JSON as it is: balancer.yaml(5), NOTIFICATIONS, has its members',
  401: 'it wants credentials, or others; see header_files',
  403: 'it wants credentials, or others; see header_files',
  404: 'it does not know this path',
  405: 'it takes no POST at this path',
  410: 'it does not know this path any more',
  429: 'it was asked too often',
}

/** Why there was no connection, by the code of an error of the system, of the resolver or of TLS. */
export const connectionText = (code: string): string => {
  const why = causes[code] ?? (/CERT|SIGNATURE/.test(code) ? 'its certificate is not accepted' : undefined)
  return `no connection: ${why === undefined ? code : `${code}, ${why}`}`
}

const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it broke off the connection',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'this host has no route there',
  ENOTFOUND: 'its name has no address',
  EAI_AGAIN: 'no name server answers',
  EPROTO: 'it does not speak TLS there, or another version; http:// and https:// may be mixed up',
}
