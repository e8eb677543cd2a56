// The head of the answer with which an agent begins a stream.

/** What has come so far: a whole head with the text behind it, part of one, or why there is no stream. */
export type StreamHead =
  | { readonly is: 'stream'; readonly rest: string }
  | { readonly is: 'unfinished' }
  | { readonly is: 'refused'; readonly text: string }
  | { readonly is: 'malformed' }

const longestHead = 8192

/** Reads the head of an answer to a request of HTTP/1.0, which has no chunks. */
export const readHead = (text: string): StreamHead => {
  const end = /\r?\n\r?\n/.exec(text)
  if (end === null) return text.length > longestHead ? { is: 'malformed' } : { is: 'unfinished' }
  const head = text.slice(0, end.index)
  const [, status] = /^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?(?:\r?\n|$)/.exec(head) ?? []
  if (status === undefined || head.length > longestHead) return { is: 'malformed' }
  if (status !== '200') return { is: 'refused', text: `HTTP status ${status}` }
  if (!/^content-type:[ \t]*text\/event-stream\b/im.test(head)) return { is: 'refused', text: 'it is no event stream' }
  if (/^transfer-encoding:/im.test(head)) return { is: 'malformed' }
  return { is: 'stream', rest: text.slice(end.index + end[0].length) }
}
