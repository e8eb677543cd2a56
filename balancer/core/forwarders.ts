// Who forwards what: the datapaths there are, and the process that carries each out.

/** The ways of a client's bytes to a server (key `datapath` of a listener). */
export const datapaths = ['userspace', 'kernel', 'direct'] as const
/** See `datapaths`. */
export type Datapath = (typeof datapaths)[number]

/** Processes that forward, one per kind; each runs where the configuration has a listener for it. */
export const forwarders = ['proxy', 'kernel'] as const
/** See `forwarders`. */
export type Forwarder = (typeof forwarders)[number]

const forwarderOfEach: Readonly<Record<Datapath, Forwarder>> = {
  userspace: 'proxy',
  kernel: 'kernel',
  direct: 'kernel',
}

/**
 * Whether the sessions of a forwarder pass through its process, and end with it. Rules in the kernel go on without the
 * process that keeps them, and wait for another one.
 */
const carriesSessions: Readonly<Record<Forwarder, boolean>> = { proxy: true, kernel: false }

/** The process that forwards in a datapath. */
export const forwarderOf = (datapath: Datapath): Forwarder => forwarderOfEach[datapath]

/** Whether sessions live in a process, and end with it. */
export const holdsSessions = (process: string): boolean =>
  forwarders.some((forwarder) => forwarder === process && carriesSessions[forwarder])

type Forwarded = { readonly datapath: Datapath }

/** The listeners that a process forwards. */
export const forwardedBy = <L extends Forwarded>(forwarder: Forwarder, listeners: readonly L[]): readonly L[] =>
  listeners.filter(({ datapath }) => forwarderOf(datapath) === forwarder)

/** The processes that these listeners need. */
export const neededForwarders = (listeners: readonly Forwarded[]): readonly Forwarder[] =>
  forwarders.filter((forwarder) => forwardedBy(forwarder, listeners).length > 0)
