import { NotDurableError } from '../../../src/receiver/ingest/group-commit.ts'
import { settled } from '../../support/fake-clock.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import type { SyncResult } from '../support/modelled-fs.ts'
import type { Cast, CastUpload } from './cast.ts'
import { Life, type Request } from './life.ts'
import { type Step, World } from './world.ts'

/** How syncs go in a run: one fails now and then, or all for a while, or the disk lies about them. */
export type SyncFailures = 'none' | 'once' | 'for_a_while' | 'lies'

export interface RecordedRun {
  readonly history: readonly Step[]
  /** Requests that were refused because the disk failed. */
  readonly refused: number
  /** Restarts of each kind. */
  readonly restarts: Readonly<Record<'closed' | 'killed' | 'cut', number>>
}

const lives = 6
const actionsPerLife = 14

/**
 * Has devices send, break off, go on, cancel and repeat, over receivers that end in every way, and
 * records all that happens. The same seed gives the same run.
 */
export async function recordRun(
  cast: Cast,
  random: SeededRandom,
  failures: SyncFailures,
): Promise<RecordedRun> {
  const history: Step[] = []
  const restarts = { closed: 0, killed: 0, cut: 0 }
  const world = new World()
  let refused = 0
  let bundles = 0
  let boots = 0
  // On a disk that lies, the run itself would not get over a power cut.
  for (let left = failures === 'lies' ? 1 : lives; left > 0; left -= 1) {
    const faults = syncFaults(failures, random)
    const life = await Life.start(world, history, { random, syncOf: faults.syncOf })
    const play = new Play(cast, random, life)
    for (let turn = 0; turn < actionsPerLife; turn += 1) {
      faults.perhapsFail()
      const count = random.pick([1, 1, 2, 3])
      const actions = Array.from({ length: count }, () => play.next(bundles++))
      for (const result of await Promise.allSettled(actions)) {
        if (result.status === 'fulfilled') continue
        if (!(result.reason instanceof NotDurableError)) throw result.reason
        refused += 1
      }
      faults.mend()
    }
    const end = random.pick(['closed', 'killed', 'cut'] as const)
    restarts[end] += 1
    if (end === 'closed') {
      play.breakOff()
      await life.close()
    } else {
      // In the middle of something.
      const under = [play.next(bundles++), play.next(bundles++), play.next(bundles++)]
      for (const each of under) each.catch(() => {})
      for (let turns = random.between(0, 40); turns > 0; turns -= 1) {
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
    }
    await life.dispose()
    if (end === 'cut') boots += 1
    const step: Step = {
      kind: 'restarted',
      disk: end === 'cut' ? world.disk.afterPowerCut('mixed', random) : undefined,
      isCatalogLost: random.chance(0.2) && mayLoseCatalog(failures, end !== 'cut'),
      bootId: `boot ${boots}`,
    }
    world.apply(step)
    history.push(step)
  }
  return { history, refused, restarts }
}

/**
 * Three things at once are not withstood: a sync failed, the process was killed before it could act on
 * that, and the catalog, which would tell what was never acknowledged, is gone before the next start.
 */
export function mayLoseCatalog(failures: SyncFailures, isSameBoot: boolean): boolean {
  return failures === 'none' || !isSameBoot
}

/** What devices do, one thing after another. */
class Play {
  readonly #cast: Cast
  readonly #random: SeededRandom
  readonly #life: Life
  readonly #open: Request[] = []

  constructor(cast: Cast, random: SeededRandom, life: Life) {
    this.#cast = cast
    this.#random = random
    this.#life = life
  }

  breakOff(): void {
    for (const { stream } of this.#open.splice(0)) stream.destroy()
  }

  async next(bundle: number): Promise<void> {
    const random = this.#random
    const { bundles, uploads } = this.#cast
    const upload = random.pick(uploads as readonly [CastUpload])
    const what = random.fraction()
    if (what < 0.4) {
      const message = bundles[bundle % bundles.length]!
      const breaks = random.chance(0.1)
        ? random.between(1, message.built.body.length - 1)
        : undefined
      await this.#life.bundle(message, breaks)
    } else if (what < 0.48) await this.#life.cancel(upload)
    else if (what < 0.54) await this.#life.look(upload)
    else await this.#goOn(upload)
  }

  async #goOn(upload: CastUpload): Promise<void> {
    const random = this.#random
    const life = this.#life
    const length = upload.built.body.length
    const reached = await life.look(upload)
    if (reached?.kind === 'complete') return
    const offset = reached?.offset ?? 0
    const end = random.chance(0.25) ? length : random.between(offset, length)
    if (reached === undefined) return this.#break(life.create(upload, end), end === length)
    if (end < length && random.chance(0.3)) {
      const { stream, done } = life.appendPart(upload, offset, end)
      await done
      stream.destroy()
    } else await this.#break(life.append(upload, offset, end), end === length)
  }

  /** Ends a request in one of the ways in which they end. */
  async #break(request: Request, isWhole: boolean): Promise<void> {
    const { stream, done } = request
    this.#open.push(request)
    if (!isWhole) {
      await settled()
      // What has arrived is recorded beside the writing after a second.
      if (this.#random.chance(0.4)) await this.#life.clock.advance(1000)
      stream.destroy()
    }
    await done
    stream.destroy()
  }
}

function syncFaults(failures: SyncFailures, random: SeededRandom) {
  let left = 0
  return {
    syncOf: (): SyncResult => {
      if (failures === 'lies') return 'does_nothing'
      if (left === 0) return 'works'
      left -= 1
      return 'fails'
    },
    perhapsFail: () => {
      if (failures === 'none' || failures === 'lies' || !random.chance(0.3)) return
      left = failures === 'once' ? 1 : Number.POSITIVE_INFINITY
    },
    mend: () => {
      left = 0
    },
  }
}
