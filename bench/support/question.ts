import type { Built } from './built-longshore.ts'
import type { ConsoleTable } from './report.ts'
import type { TempFolder } from './temp-folder.ts'

/** How a benchmark is to be run. */
export interface BenchOptions {
  /** Timed rounds per contender. */
  readonly rounds: number
  /** A smaller job, to see that everything works. Its figures are not worth keeping. */
  readonly quick: boolean
  /** Where the small files of the device are made; undefined: in memory, if there is room. */
  readonly deviceDir: string | undefined
  /** Where one further, untimed round leaves V8 CPU profiles of our processes. */
  readonly profileDir: string | undefined
}

export interface BenchContext extends BenchOptions, Built {
  /** Fresh, on the disk that is measured; gone when the benchmark ends. */
  readonly temp: TempFolder
  /** Progress for people, on stderr. */
  readonly say: (line: string) => void
}

/** What a benchmark found: everything for machines, and tables for people. */
export interface Findings {
  readonly data: Readonly<Record<string, unknown>>
  readonly tables: readonly ConsoleTable[]
  /** What a reader must know to read the figures right. */
  readonly notes: readonly string[]
}

/** One benchmark: it answers one question. */
export interface Question {
  readonly name: string
  readonly asks: string
  readonly run: (context: BenchContext) => Promise<Findings>
}
