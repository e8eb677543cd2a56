// A start that cannot succeed until an operator changes something.

/** Thrown while starting. The message is one line for the operator: what is wrong and what to do. */
export class FailedStart extends Error {
  override readonly name = 'FailedStart'
}
