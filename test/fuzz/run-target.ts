import { Random } from '../wire/random.ts'
import type { FuzzTarget } from './fuzz-target.ts'

export interface FuzzRun {
  readonly seed: number
  readonly count: number
  /** The first input: each can be made again by itself. @default 0 */
  readonly from?: number
  /** Called before each input. */
  readonly onInput?: (index: number) => void
}

/** How often the inputs ended in which way. */
export type Outcomes = ReadonlyMap<string, number>

/** @throws Error that names the input, with what did not hold of it as its cause */
export async function runTarget(target: FuzzTarget, run: FuzzRun): Promise<Outcomes> {
  const outcomes = new Map<string, number>()
  const { seed, count, from = 0, onInput } = run
  for (let index = from; index < from + count; index += 1) {
    onInput?.(index)
    // Native objects are only let go of between turns of the event loop.
    if (index % 256 === 0) await new Promise((resolve) => setImmediate(resolve))
    try {
      const result = target.run(new Random(seedOf(seed, index)))
      const outcome = typeof result === 'string' ? result : await result
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    } catch (cause) {
      const again = `--target ${target.name} --seed ${seed} --from ${index} --count 1`
      throw new Error(`input ${index} of ${target.name} (again with ${again})`, { cause })
    }
  }
  return outcomes
}

function seedOf(seed: number, index: number): number {
  return (Math.imul(seed, 0x9e37_79b1) ^ Math.imul(index + 1, 0x85eb_ca6b)) >>> 0
}
