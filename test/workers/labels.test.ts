import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import type { FileLabels } from '../../src/wire/manifest.ts'
import { decodeManifest, encodeManifest } from '../../src/wire/manifest-codec.ts'
import type { ShardFile } from '../../src/wire/thread-messages.ts'
import { Labeller } from '../../workers/labels.ts'
import { type CaptureFileHeader, captureFile } from '../support/capture-file.ts'

function file(path: string, kind: ShardFile['kind'] = 'capture'): ShardFile {
  const root = bytePath('/data')
  return { path: bytePath(path), root, kind, sizeBytes: 1, mtimeNs: 0n, device: 0n, inode: 0n }
}

const header: CaptureFileHeader = {
  componentType: 'rdk:component:camera',
  componentName: 'front',
  methodName: 'ReadImage',
  type: 1,
  mimeType: 'image/png',
}

function bytesOf(changes: Partial<CaptureFileHeader> = {}): Buffer {
  return captureFile({ ...header, ...changes }, [{ binary: Buffer.from('x') }])
}

/** What the receiver would read of a manifest with these labels. */
function asReceived(labels: FileLabels): FileLabels {
  const one = { path: bytePath('/data/f'), sizeBytes: 1, mtimeNs: 0n, ctimeNs: 0n, labels }
  return decodeManifest(encodeManifest({ files: [one] })).files[0]!.labels
}

test('files of a folder that begin alike share one object, others do not', () => {
  const labeller = new Labeller([])
  const first = labeller.labelsOf(file('/data/a/1.capture'), bytesOf())
  assert.equal(labeller.labelsOf(file('/data/a/2.capture'), bytesOf()), first)
  const other = labeller.labelsOf(file('/data/a/3.capture'), bytesOf({ componentName: 'rear' }))
  assert.equal(other.capture?.componentName, 'rear')
  const longer = labeller.labelsOf(file('/data/a/4.capture'), bytesOf({ componentName: 'rear2' }))
  assert.equal(longer.capture?.componentName, 'rear2')
  const back = labeller.labelsOf(file('/data/a/5.capture'), bytesOf())
  assert.deepEqual(back, first)
  const elsewhere = labeller.labelsOf(file('/data/tag=b/1.capture'), bytesOf())
  assert.deepEqual(elsewhere.tags, ['b'])
})

test('arbitrary files are labelled by their name, also when they begin like a capture file', () => {
  const labeller = new Labeller(['t'])
  const labels = labeller.labelsOf(file('/data/a/x.png', 'arbitrary'), bytesOf())
  assert.equal(labels.capture, null)
  assert.equal(labels.contentType, 'image/png')
  assert.equal(labeller.labelsOf(file('/data/a/y.png', 'arbitrary'), Buffer.alloc(0)), labels)
  assert.equal(
    labeller.labelsOf(file('/data/a/y.log', 'arbitrary'), Buffer.alloc(0)).contentType,
    'text/plain',
  )
})

test('invariant 8: labels that the receiver would not take are left out, and the file goes', () => {
  const labeller = new Labeller(['keep', 'x'.repeat(1025)])
  const many = Array.from({ length: 300 }, (_, n) => `tag-${n}`)
  for (const changes of [
    { tags: many },
    { tags: ['y'.repeat(2000)] },
    { componentName: 'n'.repeat(5000) },
    { methodParameters: { p: 'v'.repeat(50_000), q: 'w'.repeat(5000) } },
  ]) {
    const bytes = bytesOf(changes)
    const labels = labeller.labelsOf(file('/data/a/1.capture'), bytes)
    assert.deepEqual(asReceived(labels).tags, labels.tags)
    assert.ok(labels.tags.length <= 256)
    assert.ok(!labels.tags.some((tag) => tag.length > 1024))
  }
  const labels = labeller.labelsOf(file('/data/a/1.capture'), bytesOf({ tags: ['a'] }))
  assert.deepEqual(labels.tags, ['a', 'keep'])
})
