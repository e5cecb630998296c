import type { FreeSpace } from './free-space.ts'

/** Room on the disk that one request has announced to need. */
export class AnnouncedSpace {
  readonly #freeSpace: Pick<FreeSpace, 'leave'>
  #leftBytes: number

  private constructor(freeSpace: Pick<FreeSpace, 'leave'>, sizeBytes: number) {
    this.#freeSpace = freeSpace
    this.#leftBytes = sizeBytes
  }

  /** Undefined when there is no room. The caller ends it. */
  static async enter(
    freeSpace: Pick<FreeSpace, 'enter' | 'leave'>,
    sizeBytes: number,
  ): Promise<AnnouncedSpace | undefined> {
    if (!(await freeSpace.enter(sizeBytes))) return undefined
    return new AnnouncedSpace(freeSpace, sizeBytes)
  }

  /** What has been written is missing from the free space already: counted once, not twice. */
  readonly written = (sizeBytes: number): void => {
    const byBytes = Math.min(sizeBytes, this.#leftBytes)
    this.#leftBytes -= byBytes
    this.#freeSpace.leave(byBytes)
  }

  end(): void {
    this.written(this.#leftBytes)
  }
}
