import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, StreamHasher } from '../../src/base/hash.ts'
import { openDataFolder } from '../../src/receiver/identity/data-folder.ts'
import type { StoredFile } from '../../src/receiver/store/catalog.ts'
import { FolderSegmentStore } from '../../src/receiver/store/folder-segment-store.ts'
import { SqliteCatalog } from '../../src/receiver/store/sqlite-catalog.ts'
import { maxManifestBytes } from '../../src/wire/limits.ts'
import type { ManifestFile } from '../../src/wire/manifest.ts'
import { decodeManifest } from '../../src/wire/manifest-codec.ts'
import type { Version } from './owned-file.ts'

/** One entry of the catalog, with what its bytes really are. */
export interface StoredVersion extends Version {
  readonly path: string
  /** Of the bytes that the receiver holds. */
  readonly digestOfBytes: Digest
}

export interface ReceiverHoldings {
  readonly versions: readonly StoredVersion[]
  /** What uploads that are still unfinished are of. */
  readonly unfinished: readonly Pick<ManifestFile, 'path' | 'mtimeNs' | 'sizeBytes'>[]
}

const pieceBytes = 4 * 1024 * 1024

/** Reads all that a receiver holds, which does not run. Every byte is hashed again. */
export async function readHoldings(dataDir: string): Promise<ReceiverHoldings> {
  const folder = await openDataFolder(dataDir, { store: 'folder', create: false })
  const catalog = SqliteCatalog.open(folder.catalogFile, { readOnly: true })
  const segments = await FolderSegmentStore.open(folder.segmentsFolder)
  try {
    const versions: StoredVersion[] = []
    for (const file of catalog.files()) {
      const { path, mtimeNs, sizeBytes, digest } = file
      versions.push({ path, mtimeNs, sizeBytes, digest, digestOfBytes: await hash(segments, file) })
    }
    return { versions, unfinished: unfinishedIn(folder.segmentsFolder) }
  } finally {
    await segments.close()
    await catalog.close()
  }
}

async function hash(
  segments: FolderSegmentStore,
  { segmentId, offset, sizeBytes }: StoredFile,
): Promise<Digest> {
  const hasher = new StreamHasher()
  for (let at = 0; at < sizeBytes; at += pieceBytes) {
    const size = Math.min(pieceBytes, sizeBytes - at)
    hasher.update(await segments.read(segmentId, offset + at, size))
  }
  return hasher.digest()
}

/** The manifests at the beginning of `.part` files; one that is not whole yet tells nothing. */
function unfinishedIn(segmentsFolder: string): ManifestFile[] {
  const start = Buffer.alloc(maxManifestBytes)
  return readdirSync(segmentsFolder)
    .filter((name) => name.endsWith('.part'))
    .flatMap((name) => {
      const fd = openSync(join(segmentsFolder, name), 'r')
      const size = readSync(fd, start, 0, start.length, 0)
      closeSync(fd)
      const bytes = start.subarray(0, size)
      const head = bytes.indexOf('name="manifest"')
      const begin = bytes.indexOf('\r\n\r\n', head) + 4
      const end = bytes.indexOf('\r\n--longshore-', begin)
      return head < 0 || begin < 4 || end < 0
        ? []
        : decodeManifest(bytes.subarray(begin, end)).files
    })
}
