// Durations and moments of the agent, all in milliseconds.

/** A duration, or a moment of the monotonic clock, in milliseconds. */
export type Millis = number & { readonly unit: 'ms' }

/** Brands a number of milliseconds. */
export const millis = (value: number): Millis => value as Millis
