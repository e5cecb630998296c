import { type FileHandle, lstat } from 'node:fs/promises'
import { type BytePath, fsPath } from '../src/base/byte-path.ts'
import { errnoOf } from '../src/base/errors.ts'
import { type FileIdentity, isSameFile } from '../src/base/file-identity.ts'
import type { Digest } from '../src/base/hash.ts'
import type { FileHash } from './file-hash.ts'

export interface HashedFileOptions {
  readonly path: BytePath
  /** Stays the caller's, and open until `stop()` has resolved. */
  readonly handle: FileHandle
  readonly identity: FileIdentity
  readonly hash: FileHash
}

/** Why a file could not be read to its end as the one that it was. */
export type ReadEnd = 'changed' | 'stopped' | { readonly errno: string }

export type WholeHash = { readonly digest: Digest } | { readonly end: ReadEnd }

const pieceBytes = 256 * 1024

/**
 * One open file, read in pieces for sending and hashed whole. A piece that continues the hash is hashed
 * as it is read. Where the upload goes on ahead of the hash, as after a restart of the daemon, a loop of
 * its own follows from the disk, one piece at a time, until it has caught up with what is sent: a piece
 * that was sent meanwhile is read a second time, since it could be hashed only after those before it.
 */
export class HashedFile {
  readonly #options: HashedFileOptions
  #end: ReadEnd | undefined
  /** The hash is to reach this byte. */
  #goal = 0
  #following: Promise<void> | undefined
  #whole: Promise<WholeHash> | undefined

  constructor(options: HashedFileOptions) {
    this.#options = options
  }

  /** Why nothing more is read, once that is so. */
  get end(): ReadEnd | undefined {
    return this.#end
  }

  /** Fills `into` from `at`, and hashes it now or later. Not whole when `end` says why. */
  async read(into: Buffer, at: number): Promise<void> {
    await this.#fill(into, at)
    if (this.#end !== undefined) return
    const { hash } = this.#options
    hash.take(into, at)
    this.#follow(at + into.length)
  }

  /**
   * The hash of all of the file, every byte of which this process has read, once it is certain that it
   * was one unchanged file all the way and that its name still leads to it.
   */
  wholeHash(): Promise<WholeHash> {
    this.#whole ??= this.#finish()
    return this.#whole
  }

  /** It is going to be sent again: whether it is unchanged is found out anew when that is done. */
  checkAgain(): void {
    this.#whole = undefined
  }

  /** Reads no more. Resolves when the hash needs the handle no longer. */
  async stop(): Promise<void> {
    this.#end ??= 'stopped'
    await this.#following
  }

  async #finish(): Promise<WholeHash> {
    const { hash, identity } = this.#options
    this.#follow(identity.sizeBytes)
    await this.#following
    if (this.#end !== undefined) return { end: this.#end }
    return (await this.#isUnchanged()) ? { digest: hash.digest() } : { end: 'changed' }
  }

  #follow(goal: number): void {
    this.#goal = Math.max(this.#goal, goal)
    if (this.#following !== undefined || this.#isThere()) return
    this.#following = this.#catchUp()
  }

  #isThere(): boolean {
    return this.#end !== undefined || this.#options.hash.position >= this.#goal
  }

  async #catchUp(): Promise<void> {
    const { hash } = this.#options
    const buffer = Buffer.allocUnsafeSlow(pieceBytes)
    while (!this.#isThere()) {
      const at = hash.position
      const piece = buffer.subarray(0, Math.min(pieceBytes, this.#goal - at))
      await this.#fill(piece, at)
      if (this.#end !== undefined) break
      hash.take(piece, at)
    }
    // Directly after the last look at the goal: whoever sets it further finds that nobody follows.
    this.#following = undefined
  }

  async #fill(into: Buffer, at: number): Promise<void> {
    let filled = 0
    try {
      while (filled < into.length && this.#end === undefined) {
        const wanted = into.length - filled
        const { bytesRead } = await this.#options.handle.read(into, filled, wanted, at + filled)
        if (bytesRead === 0) this.#end ??= 'changed'
        filled += bytesRead
      }
    } catch (error) {
      this.#end ??= { errno: errnoOf(error) ?? 'EIO' }
    }
  }

  async #isUnchanged(): Promise<boolean> {
    const { path, handle, identity } = this.#options
    try {
      const byHandle = await handle.stat({ bigint: true })
      const byName = await lstat(fsPath(path), { bigint: true })
      return isSameFile(byHandle, identity) && isSameFile(byName, identity)
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      return false
    }
  }
}
