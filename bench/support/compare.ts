import { loadavg } from 'node:os'
import { Bench, type FnReturnedObject, type Statistics } from 'tinybench'
import type { Usage } from './proc.ts'
import type { BenchContext } from './question.ts'
import { Turns } from './turns.ts'

/** What a contender tells of one round, which it has checked: everything arrived. */
export interface Round {
  readonly elapsedMs: number
  /** By the role of the process: the one that sends, the one that takes. */
  readonly processes: Readonly<Record<string, Usage>>
  /** CPU seconds that processes outside of this round, or the hypervisor, used while it ran. */
  readonly strangersCpuSeconds: number
}

export interface Contender {
  readonly name: string
  /** Prepares, does the job, checks that it was done, and tidies up. Only the job is timed. */
  readonly run: () => Promise<Round>
}

export interface TimedRound extends Round {
  readonly load1: number
}

export interface Series {
  readonly name: string
  readonly rounds: readonly TimedRound[]
  /** Of the elapsed milliseconds, by tinybench. */
  readonly statistics: Statistics
}

/**
 * Runs all contenders in turns, one warm-up round each and then as many as wanted. tinybench asks for
 * the rounds, and collects the durations that they report.
 */
export async function compare(
  contenders: readonly Contender[],
  { rounds, say }: Pick<BenchContext, 'rounds' | 'say'>,
): Promise<Series[]> {
  const bench = new Bench({
    // All loops are under way at once, and each round waits for its turn: A B A B.
    concurrency: 'bench',
    time: 0,
    iterations: rounds,
    warmupTime: 0,
    warmupIterations: 1,
    throws: true,
  })
  const turns = new Turns(contenders.length)
  const recorded = contenders.map((): TimedRound[] => [])
  let warm = false
  bench.addEventListener('start', () => {
    warm = true
  })
  for (const [index, contender] of contenders.entries()) {
    const oneRound = async (): Promise<FnReturnedObject> => {
      const round = { ...(await turns.take(index, contender.run)), load1: loadavg()[0]! }
      if (warm) recorded[index]!.push(round)
      const count = warm ? `${recorded[index]!.length}/${rounds}` : 'warm-up'
      say(`${contender.name}, ${count}: ${(round.elapsedMs / 1000).toFixed(3)} s`)
      return { overriddenDuration: round.elapsedMs }
    }
    bench.add(contender.name, oneRound, { async: true })
  }
  const tasks = await bench.run()
  return tasks.map(({ name, result }, index) => {
    if (result.state !== 'completed') throw new Error(`${name}: tinybench says ${result.state}`)
    return { name, rounds: recorded[index]!, statistics: result.latency }
  })
}

/** Quotients of the rounds of two series, pair by pair: `numerator` over `denominator`. */
export function ratioOf(numerator: Series, denominator: Series): Ratio {
  const pairs = numerator.rounds.map(
    ({ elapsedMs }, index) => elapsedMs / denominator.rounds[index]!.elapsedMs,
  )
  return { ...spread(pairs), pairs }
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Ratio extends Spread {
  readonly pairs: readonly number[]
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median =
    sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}
