// What the first bytes of a connection are: a request for the HTTP parser, or something that the scripts under xinetd
// answered all the same, since they read nothing.

/**
 * `http`: a whole head for the HTTP parser. `once`: nothing that matters is to come; it is answered, and the connection
 * ends. `unfinished`: more may come; where it does not, `isAnswerable` tells whether it is known what was asked.
 */
export type FirstWords =
  | { readonly are: 'http' }
  | { readonly are: 'once' }
  | { readonly are: 'unfinished'; readonly isAnswerable: boolean }

const root = '/'
/** As much as the HTTP parser takes. */
const longestHead = 8192
/** Not CONNECT, which Node's server does not answer. */
const methods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'PATCH', 'TRACE']
const headEnd = /\n\r?\n/

/** Reads the first bytes of a connection, without the header of the PROXY protocol. */
export const firstWords = (bytes: Buffer): FirstWords => {
  const text = bytes.toString('latin1', 0, longestHead + 1)
  const lineEnd = text.indexOf('\n')
  // A request whose path is not whole must not get the answer of another path.
  if (lineEnd < 0) return unfinished(text, targetIn(bytes) === root)
  const [, method = '', version] = requestLine.exec(text.slice(0, lineEnd)) ?? []
  if (version === undefined) return { are: 'once' }
  const end = text.search(headEnd)
  if (end < 0) return unfinished(text, true)
  const isForParser =
    methods.includes(method) && !/[^\r]\n/.test(text.slice(0, end + 1)) && text.startsWith('\r', end + 1)
  return { are: isForParser ? 'http' : 'once' }
}

/** Method and version; HTTP/0.9 has no version, and gets its answer as anything else. */
const requestLine = /^([A-Za-z]+) +\S+ +HTTP\/(1\.[01])\r?$/

/** What the first line asks for; `/` where it is no request. */
export const targetIn = (bytes: Buffer): string =>
  /^[A-Za-z]+ +([/*][^\s]*|https?:[^\s]*)/.exec(bytes.toString('latin1', 0, longestHead))?.[1] ?? root

const unfinished = (text: string, isAnswerable: boolean): FirstWords =>
  text.length > longestHead ? { are: 'once' } : { are: 'unfinished', isAnswerable }
