// Who takes the new sessions of a listener, as two balancers compare and exchange it.

/** `hash`: what of a client is hashed, its address with the port or the address alone. */
export type SlotTable = {
  readonly listener: string
  readonly hash: 'session' | 'source'
  readonly seed: number
  readonly slotCount: number
  readonly targets: readonly { readonly server: string; readonly weight: number }[]
}
