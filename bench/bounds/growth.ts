import type { ConsoleTable } from '../support/report.ts'
import type { Bound } from './bound.ts'
import { type Trend, trendOf } from './trend.ts'
import type { Sample } from './watch.ts'

export interface Growth {
  readonly name: string
  readonly samples: number
  readonly rssMb: Trend
  readonly descriptors: Trend
  readonly threads: Trend
}

/** Trends of what a process held. */
export function growthOf(name: string, samples: readonly Sample[]): Growth {
  const trend = (of: (sample: Sample) => number) =>
    trendOf(samples.map((sample) => ({ atSeconds: sample.atSeconds, value: of(sample) })))
  return {
    name,
    samples: samples.length,
    rssMb: trend(({ rssBytes }) => rssBytes / 1e6),
    descriptors: trend(({ descriptors }) => descriptors),
    threads: trend(({ threads }) => threads),
  }
}

/** What a process may have more at the end of the line than at its beginning. */
export interface MayGrow {
  readonly rssMb: number
  readonly descriptors: number
  readonly threads: number
}

export function growthBounds(growth: Growth, may: MayGrow): Bound[] {
  const { name } = growth
  return [
    { what: `${name}: memory`, unit: 'MB more', found: growth.rssMb.rise, limit: may.rssMb },
    {
      what: `${name}: descriptors`,
      unit: 'more',
      found: growth.descriptors.rise,
      limit: may.descriptors,
    },
    { what: `${name}: threads`, unit: 'more', found: growth.threads.rise, limit: may.threads },
  ]
}

export function growthTable(title: string, all: readonly Growth[]): ConsoleTable {
  const cells = (trend: Trend) => [
    `${trend.min.toFixed(0)} / ${trend.median.toFixed(0)} / ${trend.max.toFixed(0)}`,
    trend.slopePerHour.toFixed(1),
  ]
  const rows = all.map(({ name, rssMb, descriptors, threads }) => [
    name,
    ...cells(rssMb),
    ...cells(descriptors),
    ...cells(threads),
  ])
  const head = ['min / median / max', 'RSS MB', 'per h', 'descriptors', 'per h', 'threads', 'per h']
  return { title, rows: [head, ...rows] }
}
