import assert from 'node:assert/strict'
import { type FileHandle, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  FolderSegmentStore,
  type FolderSegmentStoreOptions,
} from '../../../src/receiver/store/folder-segment-store.ts'
import { nodeFs } from '../../../src/receiver/store/store-fs.ts'
import { temporaryFolder } from '../support/stores.ts'
import { testsOfKeepingStore } from './segment-store-conformance.ts'

testsOfKeepingStore({
  name: 'Segments in a folder',
  open: async (t) => {
    const segments = await FolderSegmentStore.open(await temporaryFolder(t))
    t.after(() => segments.close())
    return segments
  },
})

const magic = 'LONGSEG1'

interface OpenedFolder {
  readonly folder: string
  readonly segments: FolderSegmentStore
  /** All files that the store opened for writing. */
  readonly files: FileHandle[]
}

async function openIn(
  t: TestContext,
  options: FolderSegmentStoreOptions = {},
): Promise<OpenedFolder> {
  const folder = await temporaryFolder(t)
  const files: FileHandle[] = []
  const segments = await FolderSegmentStore.open(folder, {
    fs: {
      ...nodeFs,
      open: async (path, flags, mode) => {
        const file = await open(path, flags, mode)
        // Those that are written to; a folder is opened to be synced.
        if (flags !== 'r') files.push(file)
        return file
      },
    },
    ...options,
  })
  t.after(() => segments.close())
  return { folder, segments, files }
}

function append(segments: FolderSegmentStore, ...texts: readonly string[]) {
  return segments.appendDurably(texts.map((text) => [Buffer.from(text)]))
}

function failWith(code: string) {
  return async () => {
    throw Object.assign(new Error(code), { code })
  }
}

test('A new shared segment starts with its magic, and has its name on the disk before its records.', async (t) => {
  const { folder, segments } = await openIn(t)
  const [place] = await append(segments, 'abc')
  assert.deepEqual(place, { segmentId: 1, offset: magic.length })
  assert.equal(await readFile(join(folder, '000000000001.seg'), 'latin1'), `${magic}abc`)
  assert.equal((await stat(join(folder, '000000000001.seg'))).mode & 0o777, 0o600)
})

test('invariant 2: a record is synced before its place is told.', async (t) => {
  const { segments, files } = await openIn(t)
  await append(segments, 'first')
  const [file] = files
  const steps: string[] = []
  const { writev, datasync } = file!
  file!.writev = ((...args: Parameters<typeof writev>) => {
    steps.push('write')
    return writev.apply(file, args)
  }) as typeof writev
  file!.datasync = async () => {
    await datasync.call(file)
    steps.push('synced')
  }
  await append(segments, 'second').then(() => steps.push('told'))
  assert.deepEqual(steps, ['write', 'synced', 'told'])
})

test('invariant 2: an own segment is synced when finish resolves, and closed.', async (t) => {
  const { segments, files } = await openIn(t)
  const own = await segments.startOwnSegment()
  await own.write([Buffer.from('abc')])
  const [file] = files
  const { datasync } = file!
  let isSynced = false
  file!.datasync = async () => {
    await datasync.call(file)
    isSynced = true
  }
  await own.finish()
  assert.ok(isSynced)
  assert.equal(file!.fd, -1)
})

for (const failing of ['writev', 'datasync'] as const) {
  test(`A segment whose ${failing} failed is never used again, and what was refused is not in it.`, async (t) => {
    const { folder, segments, files } = await openIn(t)
    await append(segments, 'kept')
    const [file] = files
    let uses = 0
    file![failing] = (async () => {
      uses += 1
      await failWith('EIO')()
    }) as never
    await assert.rejects(append(segments, 'refused', 'refused too'), { code: 'EIO' })
    const [place] = await append(segments, 'other')
    assert.deepEqual(place, { segmentId: 2, offset: magic.length })
    assert.equal(uses, 1)
    assert.equal(file!.fd, -1, 'closed')
    assert.equal(await readFile(join(folder, '000000000001.seg'), 'latin1'), `${magic}kept`)
  })
}

test('A write that was cut short is finished.', async (t) => {
  const { folder, segments, files } = await openIn(t)
  await append(segments, 'x')
  const [file] = files
  const write = file!.write.bind(file) as (...args: unknown[]) => Promise<{ bytesWritten: number }>
  file!.writev = (async (pieces: Buffer[], position: number) => {
    const part = Buffer.concat(pieces).subarray(0, 3)
    return write(part, 0, part.length, position)
  }) as never
  file!.write = (async (bytes: Buffer, at: number, size: number, position: number) =>
    write(bytes, at, Math.min(size, 4), position)) as never
  const places = await append(segments, 'hello ', 'world, ', 'again')
  assert.deepEqual(
    places.map(({ offset }) => offset),
    [9, 15, 22],
  )
  const text = await readFile(join(folder, '000000000001.seg'), 'latin1')
  assert.equal(text, `${magic}xhello world, again`)
})

test('A closed file, as after any failure, costs one append only.', async (t) => {
  const { segments, files } = await openIn(t)
  await append(segments, 'kept')
  await files[0]!.close()
  await assert.rejects(append(segments, 'refused'))
  assert.equal((await append(segments, 'other'))[0]?.segmentId, 2)
})

test('A shared segment that could not be started leaves no file and no descriptor.', async (t) => {
  const broken: FileHandle[] = []
  const { folder, segments } = await openIn(t, {
    fs: {
      ...nodeFs,
      open: async (path, flags, mode) => {
        const file = await open(path, flags, mode)
        if (broken.length < 2) {
          broken.push(file)
          file.datasync = failWith('ENOSPC')
        }
        return file
      },
    },
  })
  await assert.rejects(append(segments, 'a'), { code: 'ENOSPC' })
  await assert.rejects(append(segments, 'b'), { code: 'ENOSPC' })
  assert.deepEqual(await readdir(folder), [])
  assert.deepEqual(
    broken.map(({ fd }) => fd),
    [-1, -1],
  )
  await append(segments, 'c')
  assert.deepEqual(await readdir(folder), ['000000000003.seg'])
})

test('An own segment that cannot be synced can still be discarded.', async (t) => {
  const { folder, segments, files } = await openIn(t)
  const own = await segments.startOwnSegment()
  await own.write([Buffer.from('abc')])
  files[0]!.datasync = failWith('EIO')
  await assert.rejects(own.finish(), { code: 'EIO' })
  await own.discard()
  assert.deepEqual(await readdir(folder), [])
  assert.equal(files[0]!.fd, -1)
})

test('An own segment is removed even if its file cannot be closed.', async (t) => {
  const { folder, segments, files } = await openIn(t)
  const own = await segments.startOwnSegment()
  const { close } = files[0]!
  files[0]!.close = async () => {
    await close.call(files[0])
    await failWith('EIO')()
  }
  await assert.rejects(own.discard(), { code: 'EIO' })
  assert.deepEqual(await readdir(folder), [])
})

test('A segment that has grown to its limit gets no more records.', async (t) => {
  const { segments, files } = await openIn(t, { rotateAfterBytes: 20 })
  const places = [
    ...(await append(segments, '123456')),
    ...(await append(segments, '789012', '3')),
    ...(await append(segments, 'next')),
  ]
  assert.deepEqual(places, [
    { segmentId: 1, offset: 8 },
    { segmentId: 1, offset: 14 },
    { segmentId: 1, offset: 20 },
    { segmentId: 2, offset: 8 },
  ])
  assert.equal(files[0]!.fd, -1, 'the full one is closed')
})

test('A segment of an earlier process is never appended to.', async (t) => {
  const { folder, segments } = await openIn(t)
  await append(segments, 'before')
  await segments.close()
  const later = await FolderSegmentStore.open(folder)
  t.after(() => later.close())
  assert.equal((await append(later, 'after'))[0]?.segmentId, 2)
  assert.equal(await readFile(join(folder, '000000000001.seg'), 'latin1'), `${magic}before`)
})

test('The id of a segment that is gone, but that the catalog knows, is not given again.', async (t) => {
  const { segments } = await openIn(t, { lastUsedId: 41 })
  assert.equal((await append(segments, 'a'))[0]?.segmentId, 42)
  const own = await segments.startOwnSegment()
  assert.equal(own.segmentId, 43)
  await own.discard()
})

test('Other files in the folder are left alone and not listed.', async (t) => {
  const { folder, segments } = await openIn(t)
  for (const name of ['notes.txt', '1.seg', '000000000009.seg.bak', '.seg']) {
    await writeFile(join(folder, name), 'mine')
  }
  await append(segments, 'a')
  assert.deepEqual(
    (await segments.list()).map(({ segmentId }) => segmentId),
    [1],
  )
})
