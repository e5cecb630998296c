import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeManifest } from '../../src/wire/manifest-codec.ts'
import {
  boundaryOf,
  layOutMessage,
  packDigests,
  unpackDigests,
} from '../../src/wire/multipart-layout.ts'
import { buildMessage } from '../support/message.ts'
import { Random } from './random.ts'

const uploadId = '0123456789abcdef'.repeat(4)
const manifest = Buffer.from('MANIFEST')

describe('the layout of a message', () => {
  test('is these bytes: an upload that goes on in its middle hangs on them', () => {
    const layout = layOutMessage(manifest, uploadId, [2, 0])
    const body = Buffer.concat([
      layout.head,
      layout.beforeFile,
      Buffer.from('ab'),
      layout.beforeFile,
      layout.beforeDigests,
      Buffer.alloc(64, 'd'),
      layout.tail,
    ])
    const expected = [
      '--longshore-0123456789abcdef',
      'Content-Disposition: form-data; name="manifest"; filename="manifest"',
      'Content-Type: application/vnd.msgpack',
      '',
      'MANIFEST',
      '--longshore-0123456789abcdef',
      'Content-Disposition: form-data; name="file"; filename="f"',
      '',
      'ab',
      '--longshore-0123456789abcdef',
      'Content-Disposition: form-data; name="file"; filename="f"',
      '',
      '',
      '--longshore-0123456789abcdef',
      'Content-Disposition: form-data; name="digests"; filename="digests"',
      '',
      'd'.repeat(64),
      '--longshore-0123456789abcdef--',
      '',
    ].join('\r\n')
    assert.equal(body.toString('latin1'), expected)
    assert.equal(layout.contentLength, expected.length)
    assert.equal(layout.contentType, 'multipart/form-data; boundary=longshore-0123456789abcdef')
  })

  test('knows the length of every message before its files are read', () => {
    const random = new Random(10)
    for (let round = 0; round < 50; round += 1) {
      const sizes = Array.from({ length: 1 + random.below(20) }, () => random.below(500))
      const built = buildMessage(
        sizes.map((size, index) => ({ path: `/${index}`, bytes: random.bytes(size) })),
      )
      const layout = layOutMessage(encodeManifest(built.manifest), built.uploadId, sizes)
      assert.equal(layout.contentLength, built.body.length)
    }
  })

  test('adds up sizes beyond 2^32', () => {
    const small = layOutMessage(manifest, uploadId, [0]).contentLength
    const large = layOutMessage(manifest, uploadId, [2 ** 50]).contentLength
    assert.equal(large - small, 2 ** 50)
  })

  test('costs less than 5% of a bundle of 4 KiB files', () => {
    const files = Array.from({ length: 256 }, (_, index) => ({
      path: `/home/pi/.viam/capture/rdk_component_sensor/air/Readings/2026-01-02T15_04_05.${index}Z.capture`,
      bytes: Buffer.alloc(4096),
    }))
    assert.ok(buildMessage(files).body.length < 256 * 4096 * 1.05)
  })

  test('takes its boundary from the upload id', () => {
    assert.equal(boundaryOf('ff'.repeat(32)), 'longshore-ffffffffffffffff')
  })
})

describe('digests', () => {
  test('are 32 bytes each, one after another', () => {
    const digests = ['00'.repeat(32), 'ff'.repeat(32), uploadId]
    const packed = packDigests(digests)
    assert.equal(packed.toString('hex'), digests.join(''))
    assert.deepEqual(unpackDigests(packed), digests)
    assert.deepEqual(unpackDigests(Buffer.alloc(0)), [])
  })
})
