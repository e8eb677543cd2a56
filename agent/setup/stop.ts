// The end of a set-up that cannot go on.

/** One line for the operator; nothing was changed unless it says so. */
export class Stop extends Error {}
