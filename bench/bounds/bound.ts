import type { ConsoleTable } from '../support/report.ts'

/** One thing that must not become larger than a limit. */
export interface Bound {
  readonly what: string
  readonly unit: string
  readonly found: number
  readonly limit: number
}

/** Something that is not a number compares as neither: that bound is broken too. */
export function isKept({ found, limit }: Bound): boolean {
  return found <= limit
}

export function boundsTable(bounds: readonly Bound[]): ConsoleTable {
  const rows = bounds.map((bound) => [
    bound.what,
    `${shown(bound.found)} ${bound.unit}`,
    `${shown(bound.limit)} ${bound.unit}`,
    isKept(bound) ? 'kept' : 'BROKEN',
  ])
  return { title: 'Bounds', rows: [['', 'found', 'at most', ''], ...rows] }
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1)
}
