// A number over the last hour, for the small charts of the status page.

/** How long one sample stands for, and how many there are. */
export const sampleMillis = 10_000
export const sampleCount = 360

/**
 * The samples of the last hour, changed in place. `samples` is a ring: sample n, counted from the epoch in steps of `sampleMillis`,
 * has place n mod `sampleCount`; NaN where nothing was told. `last` is the newest n.
 */
export type Series = { readonly samples: Float32Array; last: number }

/** A series in which nothing was told yet. */
export const emptySeries = (): Series => ({ samples: new Float32Array(sampleCount).fill(Number.NaN), last: 0 })

/** Notes a value at a moment, milliseconds since the epoch. A sample keeps the highest: a peak must not hide between two looks. */
export const noteSample = (series: Series, value: number, at: number): void => {
  const now = Math.floor(at / sampleMillis)
  // A clock that was set back: what is there is of a time that has not come yet.
  if (now < series.last) series.samples.fill(Number.NaN)
  const first = Math.max(series.last + 1, now - sampleCount + 1)
  for (let n = first; n <= now; n += 1) series.samples[n % sampleCount] = Number.NaN
  series.last = now
  const place = now % sampleCount
  const before = series.samples[place] ?? Number.NaN
  series.samples[place] = Number.isNaN(before) ? value : Math.max(before, value)
}

/**
 * The hour before a moment in so many points, oldest first: the highest value that any of these series has in its time; null where
 * nothing was told. It is looked at for each server of each page: no sample is copied.
 */
export const peaksOf = (all: readonly Series[], at: number, points: number): readonly (number | null)[] => {
  const now = Math.floor(at / sampleMillis)
  const first = now - sampleCount + 1
  const peaks: (number | null)[] = Array.from({ length: points }, () => null)
  for (const { samples, last } of all) {
    for (let n = Math.max(first, last - sampleCount + 1); n <= now && n <= last; n += 1) {
      const value = samples[n % sampleCount] ?? Number.NaN
      const point = Math.floor(((n - first) * points) / sampleCount)
      if (value >= (peaks[point] ?? Number.NEGATIVE_INFINITY)) peaks[point] = value
    }
  }
  return peaks
}
