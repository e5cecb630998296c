import { SeededRandom } from '../../support/seeded-random.ts'
import type { Survival } from '../support/modelled-file.ts'
import { type Cast, makeCast } from './cast.ts'
import { checkWorld } from './check-world.ts'
import { mayLoseCatalog, recordRun, type SyncFailures } from './record-run.ts'
import { type Step, World } from './world.ts'

export interface PowerCutOptions {
  readonly seed: number
  /** How many ways to survive are tried at each point where the power may go. */
  readonly variants: number
  readonly failures?: SyncFailures
  /** Of the points only every so many, beginning somewhere by the seed. */
  readonly every?: number
}

export interface PowerCutResult {
  readonly steps: number
  readonly points: number
  /** Receivers that were started on what was left. */
  readonly states: number
  readonly refused: number
  readonly acknowledged: number
  readonly restarts: Readonly<Record<string, number>>
  readonly wrong: readonly string[]
}

type Ending = Survival | 'killed'

const endings: readonly [Ending, ...Ending[]] = ['all_lost', 'killed', 'mixed', 'all_kept']

/** Records a run, and cuts the power after each of its steps. */
export async function cutPowerEverywhere(options: PowerCutOptions): Promise<PowerCutResult> {
  const { seed, variants, failures = 'none', every = 1 } = options
  const random = new SeededRandom(seed)
  const cast = makeCast(random.fork())
  const { history, refused, restarts } = await recordRun(cast, random.fork(), failures)
  const cuts = new Cuts(cast, failures)
  const world = new World()
  const first = random.between(0, every - 1)
  let points = 0
  for (const [index, step] of history.entries()) {
    world.apply(step)
    if (index % every !== first) continue
    points += 1
    for (let variant = 0; variant < variants; variant += 1) {
      const isGiven = variants >= endings.length && variant < endings.length
      const ending = isGiven ? endings[variant]! : random.pick(endings)
      await cuts.cut(world, ending, random, `seed ${seed}, step ${index}, ${ending}`, 2)
    }
  }
  const { states, wrong } = cuts
  const { acknowledged } = world
  return {
    steps: history.length,
    points,
    states,
    refused,
    acknowledged: acknowledged.size,
    restarts,
    wrong,
  }
}

class Cuts {
  readonly #cast: Cast
  readonly #failures: SyncFailures
  states = 0
  readonly wrong: string[] = []

  constructor(cast: Cast, failures: SyncFailures) {
    this.#cast = cast
    this.#failures = failures
  }

  /** @param depth - How often the power may go, the first time included. */
  async cut(
    world: World,
    ending: Ending,
    random: SeededRandom,
    where: string,
    depth: number,
  ): Promise<void> {
    const isSameBoot = ending === 'killed'
    const disk = isSameBoot ? world.disk.clone() : world.disk.afterPowerCut(ending, random)
    const isCatalogLost = random.chance(0.25) && mayLoseCatalog(this.#failures, isSameBoot)
    const bootId = isSameBoot ? world.bootId : `${world.bootId}+`
    const found = world.foundOn(disk, { isCatalogLost, bootId })
    const again = found.foundOn(disk.clone(), { isCatalogLost: false, bootId })
    const history: Step[] = []
    this.states += 1
    const name = isCatalogLost ? `${where}, catalog lost` : where
    try {
      const wrong = await checkWorld(this.#cast, found, isSameBoot, history)
      for (const each of wrong) this.wrong.push(`${name}: ${each}`)
      if (wrong.length > 0) return
    } catch (error) {
      this.wrong.push(`${name}: ${error instanceof Error ? error.stack : error}`)
      return
    }
    // Now and then it fails once more while the receiver gets going again.
    if (depth === 1 || !random.chance(0.3)) return
    for (const step of history.slice(0, random.between(1, history.length))) again.apply(step)
    const next = random.pick(endings)
    await this.cut(again, next, random, `${name}, then ${next}`, depth - 1)
  }
}
