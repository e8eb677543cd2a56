// A fact about a listener as tests need it: nothing is known of it, unless told.

import type { ListenerFact } from '../../../balancer/pool/core/facts.ts'

/** The fact of `mysql` in user space. */
export const listenerFact = (change: Partial<ListenerFact> = {}): ListenerFact => ({
  fact: 'listener',
  listener: 'mysql',
  datapath: 'userspace',
  binds: [],
  sessions: null,
  maximumSessions: null,
  totalSessions: null,
  panicking: false,
  ends: {},
  findings: [],
  servers: [],
  detail: null,
  ...change,
})
