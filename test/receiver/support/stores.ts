import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { GroupCommit } from '../../../src/receiver/ingest/group-commit.ts'
import { type IncomingMessage, Ingest } from '../../../src/receiver/ingest/ingest.ts'
import { FinishedUploads } from '../../../src/receiver/resume/finished-uploads.ts'
import { LargeMessages } from '../../../src/receiver/resume/large-messages.ts'
import {
  ResumableUploads,
  type ResumableUploadsOptions,
} from '../../../src/receiver/resume/resumable-uploads.ts'
import type { Catalog, StoredFile } from '../../../src/receiver/store/catalog.ts'
import { FolderSegmentStore } from '../../../src/receiver/store/folder-segment-store.ts'
import type { SegmentStore } from '../../../src/receiver/store/segment-store.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import type { Outcome } from '../../../src/wire/outcome.ts'
import type { BuiltMessage } from '../../support/message.ts'

/** An empty folder that is removed after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-receiver-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export interface Stores {
  readonly segments: FolderSegmentStore
  readonly catalog: SqliteCatalog
  close(): Promise<void>
}

/** The stores of a data folder, as the receiver opens them; without recovery. */
export async function openStores(folder: string): Promise<Stores> {
  const catalog = SqliteCatalog.open(join(folder, 'catalog.sqlite'), { readOnly: false })
  const lastUsedId = Math.max(0, ...catalog.segmentEnds().keys())
  const segments = await FolderSegmentStore.open(join(folder, 'segments'), { lastUsedId })
  return {
    segments,
    catalog,
    close: async () => {
      await segments.close()
      await catalog.close()
    },
  }
}

/** New stores that have been marked complete and are closed after the test. */
export async function newStores(t: TestContext): Promise<Stores & { readonly folder: string }> {
  const folder = await temporaryFolder(t)
  const stores = await openStores(folder)
  await stores.catalog.markComplete()
  t.after(() => stores.close())
  return { ...stores, folder }
}

/** Both ways in, for messages of either kind. */
export interface Intake {
  readonly ingest: Ingest
  readonly uploads: ResumableUploads
  /** Takes one whole message; undefined when it broke off. */
  take(message: WholeMessage): Promise<readonly Outcome[] | undefined>
  drain(): Promise<void>
}

export interface WholeMessage extends IncomingMessage {
  /** True for one with a segment of its own. */
  readonly single: boolean
  readonly onWritten?: (sizeBytes: number) => void
}

export interface IntakeOptions
  extends Partial<Omit<ResumableUploadsOptions, 'segments' | 'messages' | 'finished'>> {
  readonly onLeftOver?: (error: unknown) => void
}

export function ingestInto(
  { segments, catalog }: { readonly segments: SegmentStore; readonly catalog: Catalog },
  options: IntakeOptions = {},
): Intake {
  const { memoryBytes = 64 * 1024 * 1024, maxAgeMs = 1e9, log = silentLog } = options
  const clock = options.clock ?? { ...systemClock, wallMs: () => 1_700_000_000_000 }
  const onLeftOver =
    options.onLeftOver ??
    ((error: unknown) => {
      throw error
    })
  const commit = new GroupCommit(segments, catalog)
  const messages = new LargeMessages({ segments, catalog, commit, onLeftOver })
  const finished = new FinishedUploads(catalog, segments)
  const ingest = new Ingest({ catalog, commit, wallMs: () => clock.wallMs(), memoryBytes })
  const uploads = new ResumableUploads({
    segments,
    messages,
    finished,
    clock,
    log,
    memoryBytes,
    maxAgeMs,
    ...(options.follower === undefined ? {} : { follower: options.follower }),
  })
  return {
    ingest,
    uploads,
    drain: () => commit.drain(),
    take: async (message) => {
      if (!message.single) return ingest.take(message)
      const { contentLength, onWritten = () => {} } = message
      const created = await uploads.create({
        ...message,
        sizeBytes: contentLength,
        messageBytes: contentLength,
        isLast: true,
        onWritten,
      })
      if (created.kind === 'complete') return created.outcomes
      if (created.kind === 'broken') return undefined
      throw new Error(`not taken: ${created.kind}`)
    },
  }
}

/** The message as it comes from the network; its body in the pieces given, or at once. */
export function incoming(
  message: BuiltMessage,
  more: Partial<WholeMessage> = {},
  pieces: readonly Buffer[] = [message.body],
): WholeMessage {
  return {
    machine: 'robot',
    contentType: message.contentType,
    contentDisposition: '',
    contentLength: message.body.length,
    uploadId: message.uploadId,
    single: false,
    body: Readable.from(pieces, { objectMode: false }),
    ...more,
  }
}

export type StoredWithBytes = StoredFile & { readonly bytes: Buffer }

/** All that is stored, with the bytes of each file. */
export async function readAll(
  segments: Pick<SegmentStore, 'read'>,
  catalog: Pick<SqliteCatalog, 'files'>,
): Promise<readonly StoredWithBytes[]> {
  const files: StoredWithBytes[] = []
  for (const file of catalog.files()) {
    files.push({ ...file, bytes: await segments.read(file.segmentId, file.offset, file.sizeBytes) })
  }
  return files
}

/** The pieces of a body, cut at these places. */
export function cutAt(body: Buffer, ...places: readonly number[]): Buffer[] {
  const ends = [...places, body.length]
  return ends.map((end, index) => body.subarray(ends[index - 1] ?? 0, end))
}
