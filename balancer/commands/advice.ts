// What is wrong with this host, and what helps, as one sentence.

/** `what` is wrong; `remedy` is a command, or words that say what to do. */
export type Advice = { readonly what: string; readonly remedy: string }

/** Both together, for a log, a page or a terminal. */
export const adviceOf = ({ what, remedy }: Advice): string => `${what}; ${remedy}`
