import type { MessageEntry } from '../../../src/receiver/store/catalog.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import { type DiskOperation, ModelledDisk } from '../support/modelled-disk.ts'

/** One thing that happened in a recorded run; after each the power may go. */
export type Step =
  | { readonly kind: 'disk'; readonly operation: DiskOperation }
  /** A transaction of the catalog, durable as a whole. */
  | { readonly kind: 'entered'; readonly messages: readonly MessageEntry[] }
  | { readonly kind: 'catalog_complete' }
  /** All bytes of a message have been handed over: its files may be listed. */
  | { readonly kind: 'sent'; readonly files: readonly string[] }
  /** The device was told that these are stored. */
  | { readonly kind: 'acknowledged'; readonly files: readonly string[] }
  /** The device was told that an upload may be gone on with from here. */
  | { readonly kind: 'told'; readonly upload: string; readonly offset: number }
  /** It may be gone from now on: it is being cancelled, or ends rejected. */
  | { readonly kind: 'released'; readonly upload: string }
  /** The receiver is started again, on this disk if it is another one. */
  | {
      readonly kind: 'restarted'
      readonly disk: ModelledDisk | undefined
      readonly isCatalogLost: boolean
      readonly bootId: string
    }

/** What is on the disk, what the device was told, and what it has sent. */
export class World {
  disk = new ModelledDisk()
  bootId = 'boot 0'
  /** What the catalog was told, in order; of its being complete as undefined. */
  catalog: readonly (readonly MessageEntry[] | undefined)[] = []
  readonly sent = new Set<string>()
  readonly acknowledged = new Set<string>()
  readonly told = new Map<string, number>()
  readonly released = new Set<string>()

  apply(step: Step): void {
    switch (step.kind) {
      case 'disk':
        return this.disk.apply(step.operation)
      case 'entered':
        this.catalog = [...this.catalog, step.messages]
        return
      case 'catalog_complete':
        this.catalog = [...this.catalog, undefined]
        return
      case 'sent':
        for (const file of step.files) this.sent.add(file)
        return
      case 'acknowledged':
        for (const file of step.files) this.acknowledged.add(file)
        return
      case 'told':
        this.told.set(step.upload, step.offset)
        this.released.delete(step.upload)
        return
      case 'released':
        this.told.delete(step.upload)
        this.released.add(step.upload)
        return
      case 'restarted':
        this.disk = step.disk?.clone() ?? this.disk
        if (step.isCatalogLost) this.catalog = []
        this.bootId = step.bootId
    }
  }

  /** The same as far as anybody was told, found on another disk. */
  foundOn(disk: ModelledDisk, more: { isCatalogLost: boolean; bootId: string }): World {
    const found = new World()
    found.disk = disk
    found.bootId = more.bootId
    found.catalog = more.isCatalogLost ? [] : this.catalog
    for (const file of this.sent) found.sent.add(file)
    for (const file of this.acknowledged) found.acknowledged.add(file)
    for (const [upload, offset] of this.told) found.told.set(upload, offset)
    for (const upload of this.released) found.released.add(upload)
    return found
  }

  /** A catalog that holds what this one's would. The caller closes it. */
  async openCatalog(): Promise<SqliteCatalog> {
    const catalog = SqliteCatalog.open(':memory:', { readOnly: false })
    for (const messages of this.catalog) {
      if (messages === undefined) await catalog.markComplete()
      else await catalog.enter(messages)
    }
    return catalog
  }
}
