// What is remembered of a session: the number of its server in its listener, and how it is about to end.

/** The bits of a server's number. */
export const numberMask = 0x3fff
/** The session was ended: who speaks in it is reset. */
export const endedBit = 0x4000
/** The client has said FIN or RST. */
export const closingBit = 0x8000

/** The mark as nft writes and takes it. */
export const markText = (mark: number): string => `0x${mark.toString(16).padStart(8, '0')}`
