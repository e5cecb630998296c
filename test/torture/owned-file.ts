import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from '../../src/base/errors.ts'
import { blake3, type Digest } from '../../src/base/hash.ts'

/** One state that a file really had. */
export interface Version {
  readonly mtimeNs: bigint
  readonly sizeBytes: number
  readonly digest: Digest
}

/** The file was taken away while its owner had it open for writing. */
export interface TakenWhileOpen {
  readonly path: string
  /** For how long it had been open, at least, when it was still there. */
  readonly stillThereAfterMs: number
}

/** A look at who writes serves for a second at most; here, where files are quiet sooner, for less. */
export const lookIsGoodForMs = 1000

/**
 * One path as its owner knows it: every content it ever had, and those that nobody but the daemon can
 * have taken away, which therefore must be at the receiver. The owner is the only one who writes there.
 */
export class OwnedFile {
  readonly path: string
  /** In the order in which they came. */
  readonly had: Version[] = []
  /** Of each, at least one version must have arrived. */
  readonly must: (readonly Version[])[] = []
  readonly taken: TakenWhileOpen[] = []
  /** How often it went while it was empty, which is never uploaded. */
  takenEmpty = 0
  /** What the owner left there last; undefined when that was nothing. */
  content: Buffer | undefined
  #current: Version | undefined

  constructor(path: string) {
    this.path = path
  }

  /** Undefined when the owner left no file there, or an empty one, which is never uploaded. */
  get current(): Version | undefined {
    return this.#current?.sizeBytes === 0 ? undefined : this.#current
  }

  /** Whether it is gone by now, without its owner's doing; then its last version must have arrived. */
  noticeRemoval(): boolean {
    if (this.#current === undefined || statsOf(this.path) !== undefined) return false
    this.#wasTaken()
    return true
  }

  /** Opens what is there for writing, or makes it anew if it is gone; `change` writes. */
  async change(how: (writer: Writer) => void | Promise<void>): Promise<void> {
    let fd: number
    try {
      fd = openSync(this.path, constants.O_WRONLY)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      this.#wasTaken()
      fd = openNew(this.path)
    }
    const writer = new Writer(fd, this.content ?? Buffer.alloc(0), (version) => this.#note(version))
    const before = this.#current
    const countBefore = this.had.length
    try {
      await how(writer)
      const removedAfterMs = writer.removedAfterMs()
      this.content = writer.content
      if (removedAfterMs === undefined) return
      // Which of the states it was taken in, nobody can say.
      const alternatives = this.had.slice(countBefore)
      if (before !== undefined) alternatives.push(before)
      this.must.push(alternatives)
      this.taken.push({ path: this.path, stillThereAfterMs: removedAfterMs })
      this.#current = undefined
      this.content = undefined
    } finally {
      closeSync(fd)
    }
  }

  /** Writes it beside and renames it over whatever is there. */
  replace(bytes: Buffer, besidePath: string): void {
    const fd = openNew(besidePath)
    try {
      writeAll(fd, bytes, 0)
      this.noticeRemoval()
      const version = versionOf(fstatSync(fd, { bigint: true }), bytes)
      this.#note(version)
      this.content = bytes
      renameOver(besidePath, this.path)
    } finally {
      closeSync(fd)
    }
  }

  /** Its owner has no more use for it. */
  delete(): void {
    try {
      unlinkSync(this.path)
      this.#current = undefined
      this.content = undefined
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      this.#wasTaken()
    }
  }

  #wasTaken(): void {
    if (this.#current?.sizeBytes === 0) this.takenEmpty += 1
    else if (this.#current !== undefined) this.must.push([this.#current])
    this.#current = undefined
    this.content = undefined
  }

  #note(version: Version): void {
    this.had.push(version)
    this.#current = version
  }
}

/** An open file of which every state is noted. */
export class Writer {
  content: Buffer
  readonly #fd: number
  readonly #openedAtMs = performance.now()
  readonly #note: (version: Version) => void
  #thereAfterMs = 0

  constructor(fd: number, content: Buffer, note: (version: Version) => void) {
    this.#fd = fd
    this.content = content
    this.#note = note
  }

  append(bytes: Buffer): void {
    this.overwrite(bytes, this.content.length)
  }

  overwrite(bytes: Buffer, at: number): void {
    writeAll(this.#fd, bytes, at)
    const end = at + bytes.length
    this.content = Buffer.concat([
      this.content.subarray(0, at),
      bytes,
      this.content.subarray(Math.min(end, this.content.length)),
    ])
    this.#noteState()
  }

  truncate(sizeBytes: number): void {
    ftruncateSync(this.#fd, sizeBytes)
    this.content = this.content.subarray(0, sizeBytes)
    this.#noteState()
  }

  /** If it was taken away since it was opened: after how long it was still there. */
  removedAfterMs(): number | undefined {
    if (fstatSync(this.#fd).nlink === 0) return this.#thereAfterMs
    this.#thereAfterMs = performance.now() - this.#openedAtMs
    return undefined
  }

  #noteState(): void {
    this.removedAfterMs()
    this.#note(versionOf(fstatSync(this.#fd, { bigint: true }), this.content))
  }
}

function versionOf({ mtimeNs, size }: BigIntStats, content: Buffer): Version {
  if (Number(size) !== content.length) throw new Error('somebody else writes to an owned file')
  return { mtimeNs, sizeBytes: content.length, digest: blake3(content) }
}

export function statsOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })
}

function writeAll(fd: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, at + done)
  }
}

/** The daemon removes folders that it has emptied: one may go again before the file is in it. */
function openNew(path: string): number {
  return retryInFolder(path, () =>
    openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL),
  )
}

function renameOver(from: string, to: string): void {
  retryInFolder(to, () => renameSync(from, to))
}

function retryInFolder<T>(path: string, work: () => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      mkdirSync(dirname(path), { recursive: true })
      return work()
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || attempt === 10) throw error
    }
  }
}
