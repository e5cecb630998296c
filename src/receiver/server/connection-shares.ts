import { addressGroup } from './address-group.ts'

export interface ConnectionSharesOptions {
  /** Connections on which nobody has shown yet who it is. */
  readonly maxStrangers: number
  readonly maxPerMachine: number
}

/**
 * Shares out the connections, so that neither somebody without a secret nor a single machine can take
 * them all. Beyond a limit one must give way: of the strangers, the oldest of the address that has
 * most, and of a machine's, its oldest, which is the likeliest to be left over from a lost link. Each
 * connection goes by a key of the caller's.
 */
export class ConnectionShares {
  readonly #options: ConnectionSharesOptions
  /** By address. Sets keep the order of arrival. */
  readonly #strangers = new Map<string, Set<string>>()
  #strangerCount = 0
  readonly #machines = new Map<string, Set<string>>()
  readonly #groupOf = new Map<string, { readonly groups: Map<string, Set<string>>; name: string }>()

  constructor(options: ConnectionSharesOptions) {
    this.#options = options
  }

  get strangers(): number {
    return this.#strangerCount
  }

  /** A new connection. Returns the key of one that must give way. */
  arrived(key: string, remote: string | undefined): string | undefined {
    // One of the same key that was not seen to end.
    this.left(key)
    this.#enter(key, this.#strangers, addressGroup(remote))
    this.#strangerCount += 1
    if (this.#strangerCount <= this.#options.maxStrangers) return undefined
    let most: Set<string> | undefined
    for (const group of this.#strangers.values()) {
      if (group.size > (most?.size ?? 0)) most = group
    }
    return most === undefined ? undefined : oldestOf(most)
  }

  /** Whose it is has been shown. Returns the key of one that must give way. */
  admitted(key: string, machine: string): string | undefined {
    if (this.#groupOf.get(key)?.groups !== this.#strangers) return undefined
    this.left(key)
    const group = this.#enter(key, this.#machines, machine)
    return group.size > this.#options.maxPerMachine ? oldestOf(group) : undefined
  }

  left(key: string): void {
    const entry = this.#groupOf.get(key)
    if (entry === undefined) return
    this.#groupOf.delete(key)
    const { groups, name } = entry
    if (groups === this.#strangers) this.#strangerCount -= 1
    const group = groups.get(name)
    group?.delete(key)
    if (group?.size === 0) groups.delete(name)
  }

  #enter(key: string, groups: Map<string, Set<string>>, name: string): Set<string> {
    const group = groups.get(name) ?? new Set()
    groups.set(name, group.add(key))
    this.#groupOf.set(key, { groups, name })
    return group
  }
}

function oldestOf(keys: Set<string>): string | undefined {
  return keys.values().next().value
}
