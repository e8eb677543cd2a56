// A reason as the judges give it.

import type { ReasonCode } from '../../../shared/reason.ts'

/** Why, as a code and in words. */
export type Reason = { readonly code: ReasonCode; readonly text: string }
