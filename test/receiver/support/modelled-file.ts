import type { SeededRandom } from '../../support/seeded-random.ts'

/** What a process did to a file's content. */
export type FileChange =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'resize'; readonly sizeBytes: number }

/** What a power cut does to what was never synced. */
export type Survival = 'all_lost' | 'all_kept' | 'mixed'

interface Change {
  readonly seq: number
  readonly change: FileChange
  isDurable: boolean
  /** A sync of it failed: the kernel takes it for written, and no later sync writes it. */
  isDoubtful: boolean
}

const blockBytes = 4096

/** One file as the kernel shows it, and what of that is on stable storage. */
export class ModelledFile {
  /** Every durable change before the first that is not, applied. */
  #base: Buffer
  #changes: Change[] = []
  #view: Buffer
  #size: number
  #ownsView = false

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#base = bytes
    this.#view = bytes
    this.#size = bytes.length
  }

  clone(): ModelledFile {
    const copy = new ModelledFile(this.#base)
    copy.#changes = this.#changes.map((change) => ({ ...change }))
    copy.#view = this.#view
    copy.#size = this.#size
    // From now on both copy it before they write.
    this.#ownsView = false
    return copy
  }

  /** As every process sees it. */
  get bytes(): Buffer {
    return this.#view.subarray(0, this.#size)
  }

  apply(seq: number, change: FileChange): void {
    this.#changes.push({ seq, change, isDurable: false, isDoubtful: false })
    const size = sizeAfter(this.#size, change)
    if (!this.#ownsView || size > this.#view.length) {
      const view = Buffer.alloc(Math.max(size, Math.ceil(this.#size * 1.5)))
      this.#view.copy(view, 0, 0, this.#size)
      this.#view = view
      this.#ownsView = true
    }
    if (change.kind === 'write') change.bytes.copy(this.#view, change.at)
    else this.#view.fill(0, Math.min(size, this.#size), Math.max(size, this.#size))
    this.#size = size
  }

  /** What was done up to `seq` has reached stable storage. */
  synced(seq: number): void {
    for (const change of this.#changes) {
      if (change.seq <= seq && !change.isDoubtful) change.isDurable = true
    }
    const first = this.#changes.findIndex(({ isDurable }) => !isDurable)
    const durable = this.#changes.splice(0, first < 0 ? this.#changes.length : first)
    if (durable.length > 0) this.#base = applied(this.#base, durable)
  }

  syncFailed(seq: number): void {
    for (const change of this.#changes) {
      if (change.seq <= seq && !change.isDurable) change.isDoubtful = true
    }
  }

  /** What is found after a power cut. */
  survivors(survival: Survival, random: SeededRandom): Buffer {
    if (survival === 'all_kept' || this.#changes.length === 0) return Buffer.from(this.bytes)
    const images = new Map<number, Buffer>()
    const imageAfter = (count: number) => {
      const image = images.get(count) ?? this.#imageAfter(count)
      images.set(count, image)
      return image
    }
    const lost = imageAfter(0)
    if (survival === 'all_lost') return Buffer.from(lost)
    // The size is written with the names, the blocks whenever the kernel comes to them.
    const last = this.#changes.length
    const size = imageAfter(random.between(0, last)).length
    const result = Buffer.alloc(size)
    lost.copy(result)
    for (let at = 0; at < size; at += blockBytes) {
      const end = Math.min(size, at + blockBytes)
      if (random.chance(0.3)) continue
      const before = random.between(0, last)
      put(imageAfter(before), result, at, end)
      if (!random.chance(0.3)) continue
      // Torn: the beginning of the block is a newer one.
      const tear = Math.min(end, Math.max(at, this.#somePlace(random) ?? random.between(at, end)))
      put(imageAfter(random.between(before, last)), result, at, tear)
    }
    return result
  }

  /** Where a tear hurts: in the middle of something that was written. */
  #somePlace(random: SeededRandom): number | undefined {
    const { change } = random.pick(this.#changes as [Change])
    if (change.kind === 'resize' || random.chance(0.3)) return undefined
    return change.at + random.between(0, change.bytes.length)
  }

  /** Every durable change, and of the others those among the first `count`, in order. */
  #imageAfter(count: number): Buffer {
    return applied(
      this.#base,
      this.#changes.filter(({ isDurable }, index) => isDurable || index < count),
    )
  }
}

function applied(base: Buffer, changes: readonly Change[]): Buffer {
  let size = base.length
  let most = size
  for (const { change } of changes) {
    size = sizeAfter(size, change)
    most = Math.max(most, size)
  }
  const image = Buffer.alloc(most)
  base.copy(image)
  let now = base.length
  for (const { change } of changes) {
    const next = sizeAfter(now, change)
    if (change.kind === 'write') change.bytes.copy(image, change.at)
    else image.fill(0, Math.min(now, next), Math.max(now, next))
    now = next
  }
  return image.subarray(0, size)
}

function sizeAfter(size: number, change: FileChange): number {
  return change.kind === 'resize'
    ? change.sizeBytes
    : Math.max(size, change.at + change.bytes.length)
}

/** What an image does not reach to is zeros. */
function put(image: Buffer, into: Buffer, at: number, end: number): void {
  into.fill(0, at, end)
  if (at < image.length) image.copy(into, at, at, Math.min(end, image.length))
}
