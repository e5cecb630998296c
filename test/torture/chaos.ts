import type { FaultyLink } from '../support/faulty-link.ts'
import type { CutKind } from '../support/link-state.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { End } from './end.ts'

export interface ChaosOptions {
  readonly daemon: End
  readonly receiver: End
  readonly link: FaultyLink
  readonly random: SeededRandom
  /** Starts the receiver and has the link lead to it. */
  readonly startReceiver: () => Promise<void>
  /** Connections that a black hole has made deaf are cut when it ends, rather than left to time out. */
  readonly cutsDeaf: boolean
  readonly tell: (what: string) => void
}

/** The link between two faults: so slow that uploads are under way most of the time. */
const usualLink = { upBytesPerSecond: 16_000_000, delayMs: 1 }

type Fault = readonly [name: string, weight: number, work: (random: SeededRandom) => Promise<void>]

/** Kills both ends and spoils the link, one thing after another, as the seed says. */
export class Chaos {
  readonly #options: ChaosOptions
  readonly counts = new Map<string, number>()

  constructor(options: ChaosOptions) {
    this.#options = options
  }

  /**
   * Goes on until `signal`, then heals. After `noMoreKills` only the link is spoilt, so that what leaks
   * adds up in the two last processes.
   */
  async run(signal: AbortSignal, noMoreKills: AbortSignal): Promise<void> {
    const { random, link } = this.#options
    link.set(usualLink)
    while (!signal.aborted) {
      const own = random.fork()
      await pause(own.between(50, 900))
      const faults = noMoreKills.aborted ? this.#linkFaults : [...this.#linkFaults, ...this.#kills]
      const [name, , work] = pickWeighted(own, faults)
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
      this.#options.tell(name)
      await work(own)
    }
    await link.heal()
    link.cutAll('rst')
  }

  readonly #kills: readonly Fault[] = [
    ['daemon SIGKILL', 6, (random) => this.#restartDaemon(random, 'kill')],
    ['daemon SIGTERM', 3, (random) => this.#restartDaemon(random, 'terminate')],
    ['receiver SIGKILL', 6, (random) => this.#restartReceiver(random, 'kill')],
    ['receiver SIGTERM', 3, (random) => this.#restartReceiver(random, 'terminate')],
    [
      'both SIGKILL',
      2,
      async (random) => {
        const { daemon, receiver, startReceiver } = this.#options
        await Promise.all([daemon.kill(), receiver.kill()])
        await pause(random.between(0, 500))
        await Promise.all([daemon.start(), startReceiver()])
      },
    ],
  ]

  readonly #linkFaults: readonly Fault[] = [
    ['link cut by FIN', 3, async () => this.#options.link.cutAll('fin')],
    ['link cut by RST', 3, async () => this.#options.link.cutAll('rst')],
    [
      'link cut after some bytes',
      5,
      (random) => {
        const afterUpBytes = random.between(2000, 6_000_000)
        const by = random.pick<CutKind>(['fin', 'rst'])
        return this.#spoil(random, { cut: { afterUpBytes, by, times: random.between(1, 3) } })
      },
    ],
    [
      'link corrupts a byte',
      2,
      (random) =>
        this.#spoil(random, { corrupt: { atUpByte: random.between(2000, 2_000_000), times: 1 } }),
    ],
    ['black hole', 3, (random) => this.#blackHole(random, ['up', 'down'])],
    ['half open: nothing comes back', 2, (random) => this.#blackHole(random, ['down'])],
    ['half open: nothing gets through', 1, (random) => this.#blackHole(random, ['up'])],
    ['outage', 2, (random) => this.#spoil(random, { upBytesPerSecond: 0, downBytesPerSecond: 0 })],
    [
      'slow and late link',
      3,
      (random) => {
        const upBytesPerSecond = random.between(300_000, 4_000_000)
        const delayMs = random.between(5, 80)
        return this.#spoil(random, { upBytesPerSecond, delayMs, jitterMs: random.between(0, 40) })
      },
    ],
    [
      'connections refused',
      2,
      async (random) => {
        this.#options.link.refuse()
        if (random.chance(0.5)) this.#options.link.cutAll(random.pick(['fin', 'rst']))
        await pause(random.between(100, 1500))
        await this.#heal()
      },
    ],
  ]

  async #heal(): Promise<void> {
    await this.#options.link.heal()
    this.#options.link.set(usualLink)
  }

  async #spoil(random: SeededRandom, state: Parameters<FaultyLink['set']>[0]): Promise<void> {
    this.#options.link.set(state)
    await pause(random.between(200, 1500))
    await this.#heal()
  }

  async #blackHole(random: SeededRandom, directions: readonly ('up' | 'down')[]): Promise<void> {
    const { link, cutsDeaf } = this.#options
    link.blackHole(directions)
    await pause(random.between(200, 1200))
    await this.#heal()
    const staysDeaf = random.chance(0.5)
    if (cutsDeaf || !staysDeaf) link.cutAll('rst')
  }

  async #restartDaemon(random: SeededRandom, how: 'kill' | 'terminate'): Promise<void> {
    const { daemon } = this.#options
    await daemon[how]()
    await pause(random.between(0, 400))
    await daemon.start()
  }

  async #restartReceiver(random: SeededRandom, how: 'kill' | 'terminate'): Promise<void> {
    const { receiver, startReceiver } = this.#options
    await receiver[how]()
    await pause(random.between(0, 600))
    await startReceiver()
  }
}

function pickWeighted(random: SeededRandom, faults: readonly Fault[]): Fault {
  let at = random.fraction() * faults.reduce((sum, [, weight]) => sum + weight, 0)
  for (const fault of faults) {
    at -= fault[1]
    if (at < 0) return fault
  }
  return faults[0]!
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
