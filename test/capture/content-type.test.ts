import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BytePath, bytePath } from '../../src/base/byte-path.ts'
import { type CaptureHeader, parseCaptureHeader } from '../../src/capture/capture-header.ts'
import { contentTypeOf } from '../../src/capture/content-type.ts'
import { captureFile } from '../support/capture-file.ts'

const headerWith = (mimeType: string): CaptureHeader => {
  const bytes = captureFile(
    { componentType: 'c', componentName: 'n', methodName: 'm', type: 1, mimeType },
    [],
  )
  return parseCaptureHeader(bytes) as CaptureHeader
}

describe('contentTypeOf', () => {
  test('goes by the extension, in either case', () => {
    assert.equal(contentTypeOf(bytePath('a.jpg')), 'image/jpeg')
    assert.equal(contentTypeOf(bytePath('/data/B.JPEG')), 'image/jpeg')
    assert.equal(contentTypeOf(bytePath('run.tar.gz')), 'application/gzip')
    assert.equal(contentTypeOf(bytePath('cloud.pcd')), 'pointcloud/pcd')
    assert.equal(contentTypeOf(bytePath('böse.log')), 'text/plain')
  })

  test('knows nothing of other names', () => {
    for (const name of ['', 'a', 'a.', '.log', '/x.jpg/file', '/x/.jpg', 'a.xyz', 'a.\xff']) {
      assert.equal(contentTypeOf(name as BytePath), 'application/octet-stream', name)
    }
  })

  test('is not led astray by names of object members', () => {
    assert.equal(contentTypeOf(bytePath('a.constructor')), 'application/octet-stream')
  })

  test("goes by a capture file's header, not by its name", () => {
    const name = bytePath('2024.capture')
    assert.equal(contentTypeOf(name, headerWith('image/PNG')), 'image/png')
    assert.equal(contentTypeOf(bytePath('a.jpg'), headerWith('')), 'application/octet-stream')
  })

  test('does not pass on what is no media type', () => {
    for (const claim of ['jpeg', 'a/b\r\nx: y', 'a/b; c=d', 'ä/b', `a/${'b'.repeat(100)}`, '/']) {
      assert.equal(contentTypeOf(bytePath('a'), headerWith(claim)), 'application/octet-stream')
    }
  })
})
