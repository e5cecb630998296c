import { type Digest, StreamHasher } from '../../src/base/hash.ts'
import type { Manifest, ManifestFile } from '../../src/wire/manifest.ts'
import { MessageReader } from '../../src/wire/message-reader.ts'
import type { Outcome } from '../../src/wire/outcome.ts'

export interface StoredEntry {
  readonly file: ManifestFile
  readonly digest: Digest
}

/** Remembers which files arrived whole, without their bytes. */
export class HonestStore {
  readonly #entries = new Map<string, StoredEntry>()

  get files(): readonly StoredEntry[] {
    return [...this.#entries.values()]
  }

  enter(manifest: Manifest, digests: readonly Digest[], declared: readonly Digest[]): Outcome[] {
    return manifest.files.map((file, index) => {
      const { path, sizeBytes, mtimeNs } = file
      const digest = digests[index]!
      if (digest !== declared[index]) {
        return { status: 'rejected', reason: 'digest_mismatch', sizeBytes, digest }
      }
      const key = [path, sizeBytes, mtimeNs, digest].join('\0')
      const status = this.#entries.has(key) ? 'already_stored' : 'stored'
      this.#entries.set(key, { file, digest })
      return { status, sizeBytes, digest }
    })
  }
}

/** Reads one upload message and enters its files into a store. */
export class HonestReading {
  readonly #store: HonestStore
  readonly #reader: MessageReader
  readonly #digests: Digest[] = []
  #manifest: Manifest | undefined
  #hasher = new StreamHasher()

  constructor(store: HonestStore, contentType: string) {
    this.#store = store
    const boundary = /boundary="?([^";]+)/.exec(contentType)?.[1] ?? ''
    this.#reader = new MessageReader(boundary, {
      onManifest: (manifest) => {
        this.#manifest = manifest
      },
      onFileData: (_, bytes) => this.#hasher.update(bytes),
      onFileEnd: () => {
        this.#digests.push(this.#hasher.digest())
        this.#hasher = new StreamHasher()
      },
    })
  }

  /** @throws WireError */
  push(bytes: Buffer): void {
    this.#reader.push(bytes)
  }

  /** The outcomes, once all has been pushed; undefined when the message is not complete. */
  finish(): Outcome[] | undefined {
    if (!this.#reader.complete || this.#manifest === undefined) return undefined
    return this.#store.enter(this.#manifest, this.#digests, this.#reader.digests)
  }
}
