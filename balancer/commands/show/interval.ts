// How often `--watch` looks.

import { durationMillis } from '../../config/values.ts'

const usual = '1s'
const [shortest, longest] = [200, 3_600_000]

/** Milliseconds of what stands behind `--watch=`, nothing being the usual; or what is wrong with it. */
export const intervalOf = (
  written: string,
): { readonly ok: true; readonly value: number } | { readonly ok: false; readonly text: string } => {
  const value = durationMillis(written === '' ? usual : written)
  if (isAllowed(value)) return { ok: true, value }
  const hint = isAllowed(durationMillis(`${written}s`))
    ? `write --watch=${written}s`
    : 'write 200ms to 1h, such as --watch=2s'
  return { ok: false, text: `--watch=${written} is no such time; ${hint}` }
}

const isAllowed = (value: number | undefined): value is number =>
  value !== undefined && value >= shortest && value <= longest
