import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type BytePath, bytePath } from '../../../src/base/byte-path.ts'
import { blake3 } from '../../../src/base/hash.ts'
import { type DataFolder, openDataFolder } from '../../../src/receiver/identity/data-folder.ts'
import type { StoredFile } from '../../../src/receiver/store/catalog.ts'
import { FolderSegmentStore } from '../../../src/receiver/store/folder-segment-store.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import { buildMessage, type FileOfMessage, someTimeNs } from '../../support/message.ts'
import { incoming, ingestInto, temporaryFolder } from '../support/stores.ts'

const large = Buffer.alloc(1_500_000, 'large ')

/** What a receiver may have met: two machines, versions, names in bytes, rejected files, labels. */
const messages: readonly (readonly [machine: string, files: readonly FileOfMessage[]])[] = [
  [
    'robot',
    [
      { path: '/a/1', bytes: 'one' },
      { path: '/a/2', bytes: '' },
      { path: { bytes: '/b/\xff\xfe' as BytePath }, bytes: 'name is not UTF-8' },
    ],
  ],
  [
    'robot',
    [
      { path: '/a/1', bytes: 'another one' },
      { path: '/a/1', bytes: 'one', mtimeNs: someTimeNs + 1n },
      { path: '/a/3', bytes: 'damaged on its way', declaredDigest: '00'.repeat(32) },
      { path: '/a/../c', bytes: 'no such name' },
    ],
  ],
  [
    'crane',
    [
      { path: '/a/1', bytes: 'one' },
      {
        path: '/a/tagged',
        bytes: 'x'.repeat(3000),
        labels: { tags: ['t', 'ü'], datasetIds: ['d'], root: bytePath('/other') },
      },
    ],
  ],
  [
    'robot',
    [
      { path: '/a/1', bytes: 'one' },
      { path: '/a/5', bytes: 'five, and the one above is known' },
    ],
  ],
  ['crane', Array.from({ length: 20 }, (_, n) => ({ path: `/many/${n}`, bytes: `number ${n}` }))],
  ['crane', [{ path: '/last', bytes: 'the last' }]],
]

/** A data folder that real messages were taken into: several shared segments and two of their own. */
export async function seededFolder(t: TestContext): Promise<DataFolder> {
  const folder = await temporaryFolder(t)
  const dataFolder = await openDataFolder(folder, { store: 'folder', create: true })
  const catalog = SqliteCatalog.open(dataFolder.catalogFile, { readOnly: false })
  const { segmentsFolder } = dataFolder
  const segments = await FolderSegmentStore.open(segmentsFolder, { rotateAfterBytes: 3000 })
  await catalog.markComplete()
  const ingest = ingestInto({ segments, catalog })
  for (const [machine, files] of messages) {
    await ingest.take(incoming(buildMessage(files), { machine }))
  }
  const twice = buildMessage([{ path: '/twice', bytes: 'sent twice at once' }])
  await Promise.all([ingest.take(incoming(twice)), ingest.take(incoming(twice))])
  for (const machine of ['robot', 'crane']) {
    const message = buildMessage([{ path: '/large', bytes: large }])
    await ingest.take(incoming(message, { machine, single: true }))
  }
  await ingest.drain()
  await segments.close()
  await catalog.close()
  // An upload that is not finished: nobody but the receiver looks at it.
  await writeFile(join(segmentsFolder, '000000000099.part'), 'LONGSEG1 and a part')
  await writeFile(join(segmentsFolder, '000000000099.offset'), 'an offset')
  return dataFolder
}

export function listing(catalogFile: string): readonly StoredFile[] {
  const catalog = SqliteCatalog.open(catalogFile, { readOnly: true })
  try {
    return [...catalog.files()]
  } finally {
    catalog.close()
  }
}

/** The content of every file in a folder, by its name. */
export async function contentsOf(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const names = (await readdir(folder)).sort()
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await readFile(join(folder, name))] as const),
    ),
  )
}

export function segmentFile({ segmentsFolder }: DataFolder, segmentId: number): string {
  return join(segmentsFolder, `${String(segmentId).padStart(12, '0')}.seg`)
}

/** Whether the bytes that this row points at are still its own. */
export function isIntact(file: StoredFile, segments: ReadonlyMap<string, Buffer>): boolean {
  const bytes = segments.get(`${String(file.segmentId).padStart(12, '0')}.seg`) ?? Buffer.alloc(0)
  return blake3(bytes.subarray(file.offset, file.offset + file.sizeBytes)) === file.digest
}

/** A copy to break, removed after the test. */
export async function copyOf(t: TestContext, original: DataFolder): Promise<DataFolder> {
  const folder = await temporaryFolder(t)
  await cp(original.path, folder, { recursive: true })
  return openDataFolder(folder, { store: 'folder', create: false })
}

/** Changes some bytes of a segment in place. */
export async function damage(
  dataFolder: DataFolder,
  segmentId: number,
  change: (bytes: Buffer) => Buffer | undefined,
): Promise<void> {
  const file = segmentFile(dataFolder, segmentId)
  const bytes = await readFile(file)
  await writeFile(file, change(bytes) ?? bytes)
}

export function flip(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 0x10
  return bytes
}
