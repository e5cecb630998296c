import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { exportFiles } from '../../../src/receiver/export/export-files.ts'
import { verifierFor } from '../../../src/receiver/ingest/verifier.ts'
import {
  encodeRecordHead,
  encodeRecordTrailer,
  segmentMagic,
} from '../../../src/receiver/store/record.ts'
import { recover } from '../../../src/receiver/store/recovery.ts'
import { SqliteCatalog } from '../../../src/receiver/store/sqlite-catalog.ts'
import {
  curlRaw,
  curlThreeFiles,
  type RecordedRequest,
  threeFiles,
} from '../../support/curl-requests.ts'
import { MemorySegmentStore } from '../support/memory-segment-store.ts'
import { readAll, temporaryFolder } from '../support/stores.ts'

/** The record of a request as the receiver writes it before the catalog hears of it. */
function recordOf(request: RecordedRequest, uploadId?: string): Buffer {
  const verifier = verifierFor({ ...request, uploadId })
  verifier.push(request.body)
  const verdict = verifier.finish()
  const messageBytes = request.body.length
  const named = { machine: 'robot', uploadId: verdict.uploadId, receivedAtMs: 1_700_000_000_000 }
  return Buffer.concat([
    encodeRecordHead({ ...request, ...named, messageBytes }),
    request.body,
    encodeRecordTrailer({ ...verdict, messageBytes }),
  ])
}

function emptyCatalog(t: TestContext): SqliteCatalog {
  const catalog = SqliteCatalog.open(':memory:', { readOnly: false })
  t.after(() => catalog.close())
  return catalog
}

const chosenId = 'cd'.repeat(32)
const segment = Buffer.concat([segmentMagic, recordOf(curlThreeFiles), recordOf(curlRaw, chosenId)])
const expected = [
  ...threeFiles.map(([path, type, text]) => ({ path, type, text })),
  { path: '/raw.jpg', type: 'application/octet-stream', text: 'hello\n' },
]

for (const isNew of [true, false]) {
  const name = isNew ? 'a catalog that was lost' : 'a catalog that a crash kept them from'
  test(`invariant 3: the files of other clients come back into ${name}, and can be exported.`, async (t) => {
    const segments = new MemorySegmentStore(new Map([[1, segment]]))
    const catalog = emptyCatalog(t)
    if (!isNew) await catalog.markComplete()
    const report = await recover(segments, catalog)
    assert.equal(report.enteredMessages, 2)
    assert.deepEqual([report.cutBytes, report.damaged], [0, []])
    const stored = await readAll(segments, catalog)
    assert.deepEqual(
      stored.map(({ path, labels, bytes }) => ({
        path,
        type: labels.contentType,
        text: bytes.toString('latin1'),
      })),
      expected,
    )
    const to = await temporaryFolder(t)
    const exported = await exportFiles({
      files: () => catalog.files(),
      segments,
      to,
      onRenamed: assert.fail,
      onDamaged: assert.fail,
    })
    assert.deepEqual([exported.written, exported.damaged], [expected.length, 0])
    for (const { path, text } of expected) {
      const bytes = await readFile(join(to, 'robot', Buffer.from(path, 'latin1').toString()))
      assert.equal(bytes.toString('latin1'), text)
    }
  })
}

test('invariant 3: what of them is damaged is reported, and never stored under another name.', async (t) => {
  const damage = ['filename="a.jpg"', 'image/jpeg', 'hello\n', 'filename="raw.jpg"']
  for (const text of damage) {
    const bytes = Buffer.from(segment)
    bytes[bytes.indexOf(text) + text.length - 2]! ^= 1
    const segments = new MemorySegmentStore(new Map([[1, bytes]]))
    const catalog = emptyCatalog(t)
    const { damaged } = await recover(segments, catalog)
    assert.equal(damaged.length, 1, text)
    const whole = new Set(expected.map(({ path, type }) => `${path} ${type}`))
    for (const { path, labels } of catalog.files()) {
      assert.ok(whole.has(`${path} ${labels.contentType}`), `${text}: ${path}`)
    }
  }
})

test('A raw body goes back to where it was asked for under the id that its sender chose.', async (t) => {
  const segments = new MemorySegmentStore(new Map([[1, segment]]))
  const catalog = emptyCatalog(t)
  await recover(segments, catalog)
  assert.equal((await catalog.findMessages(chosenId)).length, 1)
})
