/** A straight line through values over time, by least squares. */
export interface Trend {
  readonly min: number
  readonly median: number
  readonly max: number
  readonly slopePerHour: number
  /** By how much the line rises from the first value to the last one. */
  readonly rise: number
}

export interface Point {
  readonly atSeconds: number
  readonly value: number
}

/** @throws RangeError unless there are at least two moments. */
export function trendOf(points: readonly Point[]): Trend {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || first.atSeconds === last.atSeconds) {
    throw new RangeError('a trend needs values of two moments')
  }
  const meanAt = mean(points.map(({ atSeconds }) => atSeconds))
  const meanValue = mean(points.map(({ value }) => value))
  let covariance = 0
  let variance = 0
  for (const { atSeconds, value } of points) {
    covariance += (atSeconds - meanAt) * (value - meanValue)
    variance += (atSeconds - meanAt) ** 2
  }
  const slope = covariance / variance
  const sorted = points.map(({ value }) => value).sort((a, b) => a - b)
  return {
    min: sorted[0]!,
    median: sorted[sorted.length >> 1]!,
    max: sorted.at(-1)!,
    slopePerHour: slope * 3600,
    rise: slope * (last.atSeconds - first.atSeconds),
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
