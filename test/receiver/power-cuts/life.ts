import { Readable } from 'node:stream'
import { verifierFor } from '../../../src/receiver/ingest/verifier.ts'
import type { Created } from '../../../src/receiver/resume/creation.ts'
import type { Follower } from '../../../src/receiver/resume/follower.ts'
import type { Complete, Reached, Receipt } from '../../../src/receiver/resume/resumable-upload.ts'
import type { Catalog } from '../../../src/receiver/store/catalog.ts'
import { FolderSegmentStore } from '../../../src/receiver/store/folder-segment-store.ts'
import { type RecoveryReport, recover } from '../../../src/receiver/store/recovery.ts'
import type { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import type { Outcome } from '../../../src/wire/outcome.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { ModelledFs, type SyncResult } from '../support/modelled-fs.ts'
import {
  type Intake,
  incoming,
  ingestInto,
  readAll,
  type StoredWithBytes,
} from '../support/stores.ts'
import type { CastMessage, CastUpload } from './cast.ts'
import { identityOf } from './cast.ts'
import type { Step, World } from './world.ts'

const folder = '/receiver/segments'

export interface LifeOptions {
  /** Has what the receiver does overlap; without it everything happens at once. */
  readonly random?: SeededRandom
  readonly syncOf?: (name: string) => SyncResult
}

/** A request that may still be open. */
export interface Request {
  readonly stream: Readable
  readonly done: Promise<Receipt | Created | undefined>
}

/** The stores and both ways in of one receiver process, from its start to its end. */
export class Life {
  readonly world: World
  readonly history: Step[]
  readonly clock = new FakeClock()
  readonly #fs: ModelledFs
  readonly #catalog: SqliteCatalog
  /** Uploads that are being cancelled, and those of which the end was sent and is wrong. */
  readonly #ending: string[] = []
  /** Uploads that something is being done with. */
  readonly #underWay: CastUpload[] = []
  #segments!: FolderSegmentStore
  #intake!: Intake
  report!: RecoveryReport

  private constructor(world: World, catalog: SqliteCatalog, history: Step[], options: LifeOptions) {
    this.world = world
    this.history = history
    this.#catalog = catalog
    this.#fs = new ModelledFs({
      disk: world.disk,
      folder,
      wallMs: () => this.clock.wallMs(),
      onOperation: (operation) => history.push({ kind: 'disk', operation }),
      ...options,
      syncOf: (name) => {
        const result = options.syncOf?.(name) ?? 'works'
        if (result === 'fails' && !name.endsWith('.seg')) this.#giveUpUnderWay()
        return result
      },
    })
  }

  /** Starts a receiver as it is started on a data folder. @param history - Is added to. */
  static async start(world: World, history: Step[], options: LifeOptions = {}): Promise<Life> {
    const life = new Life(world, await world.openCatalog(), history, options)
    await life.#open()
    return life
  }

  async #open(): Promise<void> {
    const fs = this.#fs
    const lastUsedId = Math.max(0, ...this.#catalog.segmentEnds().keys())
    this.#segments = await FolderSegmentStore.open(folder, {
      fs,
      lastUsedId,
      rotateAfterBytes: 16_000,
      takeOver: true,
      bootId: async () => this.world.bootId,
    })
    const catalog = this.#recordedCatalog()
    this.report = await recover(this.#segments, catalog)
    this.#intake = ingestInto(
      { segments: this.#segments, catalog },
      { clock: this.clock, follower: this.#follower(), onLeftOver: () => {} },
    )
    await this.#intake.uploads.open()
  }

  /** The process is killed. */
  kill(): void {
    this.#fs.kill()
  }

  /** It ends as it should. */
  async close(): Promise<void> {
    await this.#intake.uploads.close()
    await this.#intake.drain()
    await this.#segments.close()
  }

  /** Gives back what the model of it holds. */
  async dispose(): Promise<void> {
    this.kill()
    await this.#catalog.close()
  }

  note(step: Exclude<Step, { kind: 'disk' }>): void {
    this.world.apply(step)
    this.history.push(step)
  }

  async list(): Promise<readonly StoredWithBytes[]> {
    return readAll(this.#segments, this.#catalog)
  }

  /** @param brokenAt - After how many bytes it breaks off; undefined: never. */
  async bundle(message: CastMessage, brokenAt?: number): Promise<readonly Outcome[] | undefined> {
    const { machine, built } = message
    const body = built.body.subarray(0, brokenAt)
    if (brokenAt === undefined) this.note({ kind: 'sent', files: message.files })
    const stream = Readable.from([body], { objectMode: false })
    const outcomes = await this.#intake.ingest.take(incoming(built, { machine, body: stream }))
    if (outcomes !== undefined) this.#acknowledge(message, outcomes)
    return outcomes
  }

  /** @param end - Up to where it sends. The caller breaks off what does not reach the end. */
  create(upload: CastUpload, end: number): Request {
    const { machine, built, isAnnounced } = upload
    const { stream, more } = this.#body(upload, 0, end)
    const done = this.#intake.uploads.create({
      ...more,
      machine,
      contentType: built.contentType,
      contentDisposition: '',
      uploadId: built.uploadId,
      sizeBytes: isAnnounced ? built.body.length : end,
      messageBytes: isAnnounced ? built.body.length : undefined,
      isLast: isAnnounced || end === built.body.length,
    })
    return this.#request(upload, stream, done)
  }

  /** All of the rest, of which it sends the bytes up to `end`. */
  append(upload: CastUpload, offset: number, end: number): Request {
    const { machine, built } = upload
    const { stream, more } = this.#body(upload, offset, end)
    const sizeBytes = built.body.length - offset
    const request = { ...more, offset, sizeBytes, isLast: true }
    const done = this.#intake.uploads.append(machine, built.uploadId, request)
    return this.#request(upload, stream, done)
  }

  /** A part that is complete in itself. */
  appendPart(upload: CastUpload, offset: number, end: number): Request {
    const { machine, built } = upload
    const { stream, more } = this.#body(upload, offset, end)
    const request = { ...more, offset, sizeBytes: end - offset, isLast: false }
    const done = this.#intake.uploads.append(machine, built.uploadId, request)
    return this.#request(upload, stream, done)
  }

  /** What HEAD asks. */
  async look(upload: CastUpload): Promise<Reached | Complete | undefined> {
    this.#underWay.push(upload)
    try {
      const reached = await this.#intake.uploads.look(upload.machine, upload.built.uploadId)
      this.#tell(upload, reached)
      return reached
    } finally {
      this.#underWay.splice(this.#underWay.indexOf(upload), 1)
    }
  }

  /** After a failed sync nobody knows which bytes are there: an upload begins afresh then. */
  #giveUpUnderWay(): void {
    for (const { key } of this.#underWay) this.note({ kind: 'released', upload: key })
  }

  async cancel(upload: CastUpload): Promise<void> {
    this.#end(upload)
    await this.#intake.uploads.cancel(upload.machine, upload.built.uploadId)
    this.#ending.splice(this.#ending.indexOf(upload.key), 1)
  }

  /** What is told from now on was true before. */
  #end({ key }: CastUpload): void {
    this.#ending.push(key)
    this.note({ kind: 'released', upload: key })
  }

  #body(upload: CastUpload, offset: number, end: number) {
    if (end === upload.built.body.length) {
      this.note({ kind: 'sent', files: upload.files })
      if (!upload.isRight) this.#end(upload)
    }
    const stream = new Readable({ read: () => {} })
    stream.push(Buffer.from(upload.built.body.subarray(offset, end)))
    return { stream, more: { body: stream, onWritten: () => {} } }
  }

  #request(upload: CastUpload, stream: Readable, receipt: Promise<Receipt | Created | undefined>) {
    const done = this.#noted(upload, receipt)
    // Whoever waits for it is told; it may fail before anybody does.
    done.catch(() => {})
    return { stream, done }
  }

  async #noted<T extends Receipt | Created | undefined>(
    upload: CastUpload,
    done: Promise<T>,
  ): Promise<T | undefined> {
    this.#underWay.push(upload)
    try {
      const receipt = await done
      this.#tell(upload, receipt)
      return receipt
    } finally {
      this.#underWay.splice(this.#underWay.indexOf(upload), 1)
    }
  }

  #tell(upload: CastUpload, receipt: Receipt | Created | Reached | undefined): void {
    if (receipt === undefined) return
    if (receipt.kind === 'complete') {
      this.#acknowledge(upload, receipt.outcomes)
      this.note({ kind: 'released', upload: upload.key })
    } else if (this.#ending.includes(upload.key)) return
    else if (receipt.kind === 'unfinished' || receipt.kind === 'appended') {
      this.note({ kind: 'told', upload: upload.key, offset: receipt.offset })
    }
  }

  #acknowledge({ machine, built }: CastMessage, outcomes: readonly Outcome[]): void {
    const files = outcomes.flatMap((outcome, index) =>
      outcome.status === 'rejected'
        ? []
        : [identityOf({ ...outcome, ...built.manifest.files[index]!, machine })],
    )
    this.note({ kind: 'acknowledged', files })
  }

  /** The catalog's transactions are durable as a whole; the answer takes its time. */
  #recordedCatalog(): Catalog {
    const catalog = this.#catalog
    return {
      enter: async (messages) => {
        await this.#fs.turn()
        const isNew = await catalog.enter(messages)
        this.note({ kind: 'entered', messages })
        await this.#fs.turn()
        return isNew
      },
      markComplete: async () => {
        await catalog.markComplete()
        this.note({ kind: 'catalog_complete' })
      },
      get complete() {
        return catalog.complete
      },
      holdsAll: (machine, files) => catalog.holdsAll(machine, files),
      findMessages: (uploadId) => catalog.findMessages(uploadId),
      segmentEnds: () => catalog.segmentEnds(),
      files: (machine) => catalog.files(machine),
      close: () => catalog.close(),
    }
  }

  /** What the thread does that hashes what an earlier process wrote: it reads from the model. */
  #follower(): Pick<Follower, 'follow' | 'close'> {
    return {
      follow: (path, head, start, size) => {
        let end = size
        return {
          push: (bytes) => {
            end += bytes.length
          },
          finish: async () => {
            const verifier = verifierFor(head)
            verifier.push((await this.#fs.readFile(path)).subarray(start, end))
            return verifier.finish()
          },
          end: () => {},
        }
      },
      close: async () => {},
    }
  }
}
