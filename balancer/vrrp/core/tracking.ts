// What is tracked makes of a configured priority.

/** `fault` is why the router must not take part; null if it may. */
export type Standing = {
  readonly priority: number
  readonly parts: readonly { readonly of: string; readonly value: number }[]
  readonly fault: string | null
}
