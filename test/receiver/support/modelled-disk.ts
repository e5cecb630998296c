import type { SeededRandom } from '../../support/seeded-random.ts'
import { type FileChange, ModelledFile, type Survival } from './modelled-file.ts'

/** What is done to a folder's names, and to its files by their number. */
type NameChange =
  | { readonly kind: 'create'; readonly name: string; readonly fileId: number }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly fileId: number }
  | { readonly kind: 'unlink'; readonly name: string; readonly fileId: number }

/** `upTo`: what was done later is not in it, though it ended later. */
export type DiskOperation =
  | NameChange
  | { readonly kind: 'change'; readonly fileId: number; readonly change: FileChange }
  | { readonly kind: 'file_synced'; readonly fileId: number; readonly upTo: number }
  | { readonly kind: 'file_sync_failed'; readonly fileId: number; readonly upTo: number }
  | { readonly kind: 'names_synced'; readonly upTo: number }

/**
 * One folder as the kernel shows it, and what of that is on stable storage: a file's content from its
 * sync on, its name from the folder's sync on, whichever of the names changed first. Harsher than any
 * journal.
 */
export class ModelledDisk {
  #seq = 0
  #nextFileId = 1
  readonly #files = new Map<number, ModelledFile>()
  readonly #names = new Map<string, number>()
  #durableNames = new Map<string, number>()
  #nameChanges: { readonly seq: number; readonly change: NameChange }[] = []

  /** How much has been done so far. */
  get seq(): number {
    return this.#seq
  }

  get names(): readonly string[] {
    return [...this.#names.keys()]
  }

  newFileId(): number {
    return this.#nextFileId
  }

  fileIdOf(name: string): number | undefined {
    return this.#names.get(name)
  }

  /** The content of a file. Not to be kept. */
  bytesOf(fileId: number): Buffer {
    return this.#fileOf(fileId).bytes
  }

  apply(operation: DiskOperation): void {
    this.#seq += 1
    switch (operation.kind) {
      case 'change':
        return this.#fileOf(operation.fileId).apply(this.#seq, operation.change)
      case 'file_synced':
        return this.#fileOf(operation.fileId).synced(operation.upTo)
      case 'file_sync_failed':
        return this.#fileOf(operation.fileId).syncFailed(operation.upTo)
      case 'names_synced':
        return this.#syncNames(operation.upTo)
      case 'create':
        this.#files.set(operation.fileId, new ModelledFile())
        this.#nextFileId = Math.max(this.#nextFileId, operation.fileId + 1)
    }
    changeNames(this.#names, operation)
    this.#nameChanges.push({ seq: this.#seq, change: operation })
  }

  #syncNames(upTo: number): void {
    const isLater = ({ seq }: { readonly seq: number }) => seq > upTo
    for (const each of this.#nameChanges) {
      if (!isLater(each)) changeNames(this.#durableNames, each.change)
    }
    this.#nameChanges = this.#nameChanges.filter(isLater)
  }

  /** The process is killed, the computer goes on: nothing is lost, and nothing more is durable. */
  clone(): ModelledDisk {
    const copy = new ModelledDisk()
    copy.#seq = this.#seq
    copy.#nextFileId = this.#nextFileId
    for (const [fileId, file] of this.#files) copy.#files.set(fileId, file.clone())
    for (const [name, fileId] of this.#names) copy.#names.set(name, fileId)
    copy.#durableNames = new Map(this.#durableNames)
    copy.#nameChanges = [...this.#nameChanges]
    return copy
  }

  /** The disk as it is found after a power cut. */
  afterPowerCut(survival: Survival, random: SeededRandom): ModelledDisk {
    const names = new Map(this.#durableNames)
    for (const { change } of this.#nameChanges) {
      if (survival === 'all_kept' || (survival === 'mixed' && random.chance(0.5))) {
        changeNames(names, change)
      }
    }
    const found = new ModelledDisk()
    found.#nextFileId = this.#nextFileId
    found.#durableNames = names
    for (const [name, fileId] of names) {
      found.#names.set(name, fileId)
      if (found.#files.has(fileId)) continue
      found.#files.set(fileId, new ModelledFile(this.#fileOf(fileId).survivors(survival, random)))
    }
    return found
  }

  #fileOf(fileId: number): ModelledFile {
    const file = this.#files.get(fileId)
    if (file === undefined) throw new Error(`the model has no file ${fileId}`)
    return file
  }
}

/** Of a change that survives without the one before it, what still makes sense. */
function changeNames(names: Map<string, number>, change: NameChange): void {
  if (change.kind === 'create') names.set(change.name, change.fileId)
  else if (change.kind === 'unlink') {
    if (names.get(change.name) === change.fileId) names.delete(change.name)
  } else {
    if (names.get(change.from) === change.fileId) names.delete(change.from)
    names.set(change.to, change.fileId)
  }
}
