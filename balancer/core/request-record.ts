// A request to the status page that is over, and its line in the log: HAProxy's httplog, and the same as JSON.

import { type Calendar, sessionTime } from './calendar.ts'
import { type Endpoint, endpointText } from './endpoint.ts'

/** How it ended: answered, broken off before the answer was out, or nothing came that is a request, or not in time. */
export type RequestEnd = 'answered' | 'broken-off' | 'malformed' | 'slow'

/**
 * All that is to be said of it. `user` is one of `admin.http.users` in whose name it came, with the right password or a wrong one;
 * null: none of them. `asked` is null where no request came. `acceptedAt` is when its head was there, milliseconds since the epoch,
 * and `total` how long it took from then. `status` is null where the head of the answer never went out; `bytes` are all of the answer.
 * `sessions` are the open connections of the page, this one included.
 */
export type RequestRecord = {
  readonly client: Endpoint
  readonly acceptedAt: number
  readonly user: string | null
  readonly asked: { readonly method: string; readonly url: string; readonly version: string } | null
  readonly status: number | null
  readonly bytes: number
  readonly total: number
  readonly end: RequestEnd
  readonly sessions: number
}

/** HAProxy's letters (its documentation, section 8.5): who ended it, and where it was. `L`: answered here, without a server. */
const states: Readonly<Record<RequestEnd, string>> = {
  answered: 'LR--',
  'broken-off': 'CD--',
  malformed: 'PR--',
  slow: 'cR--',
}

/** HAProxy: tune.http.logurilen. */
const longestRequest = 1024

const encoder = new TextEncoder()
/** As HAProxy writes it: controls, quotes, `#` and all beyond ASCII byte by byte as `#XX`. */
const encoded = (text: string): string =>
  text.replace(/[^ !$-~]/gu, (one) =>
    Array.from(encoder.encode(one), (byte) => `#${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )

/**
 * A URL without what somebody may have put into it and nobody should read: a user with a password before the host, the value of a
 * parameter whose name is that of a secret.
 */
const withoutSecrets = (url: string): string =>
  url
    .replace(/^([a-z][a-z0-9+.-]*:)?\/\/.*@/i, '$1//***@')
    .replace(/([?&;])([^=&;#]*)=[^&;#]*/g, (all, before: string, name: string) =>
      isSecret(name) ? `${before}${name}=***` : all,
    )

const isSecret = (name: string): boolean => /%|pass|pw|token|secret|key|auth|login|credential/i.test(name)

/**
 * HAProxy's httplog: `%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %{+Q}r`, as it is
 * of HAProxy's own page; the user stands where HAProxy has captured headers. `at` is when the request came.
 */
export const httplogLine = (record: RequestRecord, at: Calendar): string => {
  const { client, user, asked, status, bytes, total, end, sessions } = record
  // HAProxy writes no brackets around an address, and what reads its lines expects none.
  const who = `${client.address}:${client.port} [${sessionTime(at)}] stats stats/${asked === null ? '<NOSRV>' : '<STATS>'}`
  const times = `${asked === null ? '-1/-1/-1/-1' : `0/0/0/${status === null ? -1 : 0}`}/${Math.round(total)}`
  const rest = `${status ?? -1} ${bytes} - - ${states[end]} ${sessions}/${sessions}/0/0/0 0/0`
  if (asked === null) return `${who} ${times} ${rest} "<BADREQ>"`
  const text = `${asked.method} ${withoutSecrets(asked.url)} HTTP/${asked.version}`
  return `${who} ${times} ${rest} {${user ?? ''}} "${encoded(text.slice(0, longestRequest))}"`
}

/** The same as members of a JSON object; `at` as ISO 8601. */
export const requestMembers = (record: RequestRecord, at: string): Readonly<Record<string, unknown>> => {
  const { client, user, asked, status, bytes, total, end, sessions } = record
  return {
    client: endpointText(client),
    at,
    user,
    method: asked?.method ?? null,
    url: asked === null ? null : withoutSecrets(asked.url).slice(0, longestRequest),
    version: asked?.version ?? null,
    status,
    bytes,
    total_ms: Math.round(total),
    end,
    state: states[end],
    sessions,
  }
}
