// What a request asks for: its method, path and parameters, or why it is none that this version answers.

/** The paths that answer, in the order in which a 404 lists them. */
export const paths = ['/', '/status', '/liveness'] as const

/** What was asked. `maintenance404`: a node under force-fail answers 404, HAProxy's `http-check disable-on-404`. */
export type Asked =
  | { readonly asks: 'check'; readonly wantsJson: boolean; readonly maintenance404: boolean }
  | { readonly asks: 'status' }
  | { readonly asks: 'liveness' }
  | { readonly asks: 'nothing'; readonly status: 400 | 404 | 405; readonly text: string }

const methods = ['GET', 'HEAD', 'OPTIONS']
const laterPaths = [
  '/primary',
  '/writer',
  '/master',
  '/replica',
  '/reader',
  '/galera',
  '/synced',
  '/ndb',
  '/group-replication',
  '/metrics',
]

/**
 * Reads method, target and Accept header. The target may be a path, `*` (which stands for `/`, as in HAProxy's
 * `option httpchk OPTIONS *`) or a whole URL.
 */
export const parseRequest = (method: string, target: string, accept: string): Asked => {
  if (!methods.includes(method)) return { asks: 'nothing', status: 405, text: `use ${methods.join(', ')}` }
  const [path = '', query = ''] = target.replace(/^https?:\/\/[^/?]*/i, '').split('?', 2)
  switch (path) {
    case '':
    case '*':
    case '/':
      return check(query, accept)
    case '/status':
    case '/liveness':
      return query === ''
        ? { asks: path === '/status' ? 'status' : 'liveness' }
        : { asks: 'nothing', status: 400, text: `${path} takes no parameters` }
    default:
      return {
        asks: 'nothing',
        status: 404,
        text: laterPaths.includes(path) ? 'this version does not have this path yet' : 'there is no such path',
      }
  }
}

const check = (query: string, accept: string): Asked =>
  query === '' || query === 'maintenance=404'
    ? { asks: 'check', wantsJson: /\bapplication\/json\b/i.test(accept), maintenance404: query !== '' }
    : { asks: 'nothing', status: 400, text: 'the only parameter of / is maintenance=404' }
