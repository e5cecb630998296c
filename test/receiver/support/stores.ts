import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import {
  type IncomingMessage,
  Ingest,
  type IngestOptions,
} from '../../../src/receiver/ingest/ingest.ts'
import type { StoredFile } from '../../../src/receiver/store/catalog.ts'
import { FolderSegmentStore } from '../../../src/receiver/store/folder-segment-store.ts'
import type { SegmentStore } from '../../../src/receiver/store/segment-store.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
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

export function ingestInto(
  stores: Pick<IngestOptions, 'segments' | 'catalog'>,
  more: Partial<IngestOptions> = {},
): Ingest {
  return new Ingest({
    wallMs: () => 1_700_000_000_000,
    memoryBytes: 64 * 1024 * 1024,
    onLeftOver: (error) => {
      throw error
    },
    segments: stores.segments,
    catalog: stores.catalog,
    ...more,
  })
}

/** The message as it comes from the network; its body in the pieces given, or at once. */
export function incoming(
  message: BuiltMessage,
  more: Partial<IncomingMessage> = {},
  pieces: readonly Buffer[] = [message.body],
): IncomingMessage {
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
