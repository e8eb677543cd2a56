// The requests that are compared: what checkers in the field send, each as one text with its escapes.

/** One request: what it is called, its bytes, and whether the client closes its side behind it. */
export type Request = { readonly name: string; readonly bytes: Buffer; readonly hasEnded: boolean }

/** What is compared unless a file names others; an empty text says nothing, and `\\e` at the end is a FIN. */
export const usualRequests: readonly string[] = [
  '',
  '\\e',
  'OPTIONS / HTTP/1.0\\r\\n\\r\\n',
  'HEAD / HTTP/1.0\\r\\n\\r\\n',
  'GET / HTTP/1.0\\r\\n\\r\\n',
  'GET / HTTP/1.1\\r\\nHost: db1\\r\\nConnection: close\\r\\n\\r\\n',
  'GET / HTTP/1.0\\r\\n\\r\\n\\e',
  'GET /?t=1 HTTP/1.0\\r\\n\\r\\n',
  'GET /mysqlchk HTTP/1.0\\r\\n\\r\\n',
  'POST / HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n',
  'GET / HTTP/1.0\\n\\n',
  'GET /\\r\\n',
  'role\\r\\n',
]

const escapes: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' }

/** Reads one line with the escapes `\r \n \t \0 \xHH \\` and `\e` for the end. */
export const parseRequestLine = (line: string): Request => {
  const hasEnded = /(?<!\\)(?:\\\\)*\\e$/.test(line)
  const text = hasEnded ? line.slice(0, -2) : line
  const bytes = text.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (_, hex?: string, letter = '') =>
    hex === undefined ? (escapes[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  const shown = text === '' ? '(nothing)' : text
  return { name: hasEnded ? `${shown} then FIN` : shown, bytes: Buffer.from(bytes, 'latin1'), hasEnded }
}
