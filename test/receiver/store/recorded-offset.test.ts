import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  readRecordedOffset,
  writeRecordedOffset,
} from '../../../src/receiver/store/recorded-offset.ts'
import { temporaryFolder } from '../support/stores.ts'

test('invariant 6: wherever the write of an offset is torn, the one before it counts, also the first of a later process.', async (t) => {
  const path = join(await temporaryFolder(t), '1.offset')
  let before = 0
  let held = Buffer.alloc(0)
  for (const sizeBytes of [100, 250, 260, 3000, 70_000, 2 ** 40]) {
    // Each opens it anew, as a receiver does that was started again.
    await using file = await open(path, before === 0 ? 'wx+' : 'r+')
    await writeRecordedOffset(file, sizeBytes)
    const written = Buffer.alloc(8192)
    const { bytesRead } = await file.read(written, 0, written.length, 0)
    const now = written.subarray(0, bytesRead)
    assert.equal(readRecordedOffset(now), sizeBytes)
    for (let tear = 0; tear <= now.length; tear += 1) {
      const torn = Buffer.concat([now.subarray(0, tear), held.subarray(tear)])
      const found = readRecordedOffset(torn)
      assert.ok(found === before || found === sizeBytes, `${sizeBytes} torn at ${tear}: ${found}`)
    }
    before = sizeBytes
    held = Buffer.from(now)
  }
})
