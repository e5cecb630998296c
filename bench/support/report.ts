import type { Series } from './compare.ts'
import { type Spread, spread } from './compare.ts'

/** A heading, and rows of which the first names the columns. */
export interface ConsoleTable {
  readonly title: string
  readonly rows: readonly (readonly string[])[]
}

/** Reads well on a terminal, and is a table in Markdown. */
export function tableText({ title, rows }: ConsoleTable): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: readonly string[]) => {
    const cells = row.map((cell, column) => {
      return column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    })
    return `| ${cells.join(' | ')} |`
  }
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  const [head, ...body] = rows
  return [title, '', line(head!), line(rule), ...body.map(line)].join('\n')
}

/** `median (min-max)` */
export function spreadText(values: Spread, digits: number): string {
  const [median, min, max] = [values.median, values.min, values.max].map((x) => x.toFixed(digits))
  return `${median} (${min}-${max})`
}

export interface Amount {
  /** In one round. */
  readonly count: number
  readonly unit: string
}

/** One row per contender: how long, how fast. */
export function speedTable(title: string, all: readonly Series[], amount: Amount): ConsoleTable {
  const rows = all.map(({ name, rounds, statistics: { p50, min, max, rme } }) => [
    name,
    spreadText({ median: p50 / 1000, min: min / 1000, max: max / 1000 }, 2),
    Math.round(amount.count / (p50 / 1000)).toLocaleString('en'),
    Number.isFinite(rme) ? `${rme.toFixed(0)}%` : '-',
    spreadText(spread(rounds.map(({ strangersCpuSeconds }) => strangersCpuSeconds)), 1),
  ])
  const head = ['', 's', `${amount.unit}/s`, '±', 'CPU s of others']
  return { title, rows: [head, ...rows] }
}

/** One row per contender and process: what it used, medians over the rounds. */
export function usageTable(title: string, all: readonly Series[]): ConsoleTable {
  const rows = all.flatMap(({ name, rounds }) =>
    Object.keys(rounds[0]!.processes).map((role) => {
      const used = rounds.map(({ processes }) => processes[role]!)
      const median = (values: readonly number[]) => spread(values).median
      return [
        `${name}: ${role}`,
        median(used.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2),
        (median(used.map(({ peakRssBytes }) => peakRssBytes)) / 1e6).toFixed(0),
        (median(used.map((usage) => usage.writtenBytes)) / 1e6).toFixed(1),
      ]
    }),
  )
  return { title, rows: [['', 'CPU s', 'peak RSS MB', 'written MB'], ...rows] }
}
