// The priority that is no matter of configuration alone.

/** The priority of the router whose own the virtual addresses are (RFC 9568 section 5.2.4). */
export const ownerPriority = 255
