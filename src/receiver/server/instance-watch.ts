/** A device process that has named itself, as the last of its requests showed it. */
interface Instance {
  readonly name: string
  remote: string | undefined
  /** When it last came back after another one had been at work. */
  returnedAtMs: number
}

interface Machine {
  /** The one that was last at work comes last. */
  readonly instances: Instance[]
  reportedAtMs: number
}

/** Two devices that take turns in the name of one machine: where each was last seen. */
export interface SharedMachine {
  readonly remotes: readonly (string | undefined)[]
}

/** A card that was copied to more devices than this is noticed as soon as fewer of them are at work. */
const rememberedInstances = 16
const takingTurnsMs = 60_000
const reportEveryMs = 60 * 60_000

/**
 * Notices that two devices use the id of one machine: each has a name of its own (`Longshore-Instance`,
 * random for each process), and both come back after the other within a minute. A restart does not
 * look like that, since the old process never comes back; nor does a changed network, or a second
 * program that runs once in a while. What is remembered is bounded by the machines that are admitted.
 */
export class InstanceWatch {
  readonly #monotonicMs: () => number
  readonly #machines = new Map<string, Machine>()

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** An upload of an admitted machine. Not undefined, at most once an hour: this is to be reported. */
  seen(
    machineId: string,
    header: string | string[] | undefined,
    remote: string | undefined,
  ): SharedMachine | undefined {
    // A client that does not name its process cannot be told from another one.
    if (typeof header !== 'string' || !/^[0-9a-f]{32}$/.test(header)) return undefined
    const nowMs = this.#monotonicMs()
    const machine = this.#machineOf(machineId)
    const { instances } = machine
    const last = instances.at(-1)
    if (last?.name === header) {
      last.remote = remote
      return undefined
    }
    const index = instances.findIndex(({ name }) => name === header)
    const [known] = index === -1 ? [] : instances.splice(index, 1)
    if (instances.length === rememberedInstances) instances.shift()
    const returnedAtMs = known === undefined ? Number.NEGATIVE_INFINITY : nowMs
    instances.push({ name: header, remote, returnedAtMs })
    const isRecent = (instance: Instance) => nowMs - instance.returnedAtMs < takingTurnsMs
    const takingTurns = instances.filter(isRecent)
    if (takingTurns.length < 2 || nowMs - machine.reportedAtMs < reportEveryMs) return undefined
    machine.reportedAtMs = nowMs
    return { remotes: takingTurns.map((instance) => instance.remote) }
  }

  #machineOf(machineId: string): Machine {
    const known = this.#machines.get(machineId)
    if (known !== undefined) return known
    const made: Machine = { instances: [], reportedAtMs: Number.NEGATIVE_INFINITY }
    this.#machines.set(machineId, made)
    return made
  }
}
