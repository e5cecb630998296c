import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Unpackr } from 'msgpackr'
import { type BytePath, bytePath, nameOf, parentOf } from '../../src/base/byte-path.ts'
import { blake3 } from '../../src/base/hash.ts'
import type { Manifest } from '../../src/wire/manifest.ts'
import { decodeManifest, encodeManifest } from '../../src/wire/manifest-codec.ts'
import { plainLabels } from '../support/message.ts'
import { randomManifest } from './manifests.ts'
import { Random } from './random.ts'

const log = { ...plainLabels, contentType: 'text/csv', tags: ['a', 'b'], datasetIds: ['d'] }
const camera = {
  ...plainLabels,
  capture: {
    componentType: 'cam',
    componentName: 'left',
    methodName: 'Get',
    type: 1,
    methodParameters: [{ name: 'p', typeUrl: 'u', value: Buffer.from([1, 2]) }],
    fileExtension: '.jpg',
    mimeType: 'image/jpeg',
  },
}
const small: Manifest = {
  files: [
    {
      path: bytePath('/data/a.csv'),
      sizeBytes: 5,
      mtimeNs: 1_700_000_000_000_000_000n,
      ctimeNs: -1n,
      labels: log,
    },
    { path: '/\xff' as BytePath, sizeBytes: 2 ** 40, mtimeNs: 0n, ctimeNs: 300n, labels: camera },
    { path: bytePath('/data/b'), sizeBytes: 0, mtimeNs: 0n, ctimeNs: 0n, labels: log },
  ],
}

/** Put together by hand from docs/protocol.md and the specification of MessagePack. */
const smallInHex = `
  94 01
  92  c4 05 2f 64 61 74 61   c4 01 2f
  92
    96  c4 05 2f 64 61 74 61  a8 74 65 78 74 2f 63 73 76  92 a1 61 a1 62  91 a1 64
        a8 69 64 65 6e 74 69 74 79  c0
    96  c4 05 2f 64 61 74 61
        b8 61 70 70 6c 69 63 61 74 69 6f 6e 2f 6f 63 74 65 74 2d 73 74 72 65 61 6d  90  90
        a8 69 64 65 6e 74 69 74 79
        97  a3 63 61 6d  a4 6c 65 66 74  a3 47 65 74  01
            91 93 a1 70 a1 75 c4 02 01 02  a4 2e 6a 70 67  aa 69 6d 61 67 65 2f 6a 70 65 67
  93
    96  00  c4 05 61 2e 63 73 76  05  cf 17 97 9c fe 36 2a 00 00  ff  00
    96  01  c4 01 ff  cf 00 00 01 00 00 00 00 00  00  cd 01 2c  01
    96  00  c4 01 62  00  00  00  00
`.replaceAll(/\s/g, '')

describe('the manifest', () => {
  test('has the bytes that it always had: upload ids of unfinished uploads hang on them', () => {
    assert.equal(encodeManifest(small).toString('hex'), smallInHex)
    assert.equal(
      blake3(encodeManifest(small)),
      '0ce89ec5e5ddecd05032ec9eeded66f578a3e0e5a592af5155dbd1157050b053',
    )
    assert.deepEqual(decodeManifest(Buffer.from(smallInHex, 'hex')), small)
  })

  test('comes back as it was, whatever its names, times and labels', () => {
    const random = new Random(3)
    for (let round = 0; round < 300; round += 1) {
      const manifest = randomManifest(random, 40)
      const encoded = encodeManifest(manifest)
      assert.deepEqual(decodeManifest(encoded), manifest)
      assert.deepEqual(encodeManifest(manifest), encoded)
    }
  })

  test('is what another reader of MessagePack finds in it', () => {
    const random = new Random(4)
    const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' })
    for (let round = 0; round < 100; round += 1) {
      const manifest = randomManifest(random, 20)
      const [version, folders, labels, files] = unpackr.unpack(encodeManifest(manifest))
      assert.equal(version, 1)
      const found = files.map((file: [number, Buffer, number, number, number, number]) => ({
        folder: folders[file[0]].toString('latin1'),
        name: file[1].toString('latin1'),
        numbers: file.slice(2, 5).map(BigInt as (value: unknown) => bigint),
        labels: [labels[file[5]][0].toString('latin1'), ...labels[file[5]].slice(1, 5)],
      }))
      const expected = manifest.files.map(({ path, sizeBytes, mtimeNs, ctimeNs, labels: of }) => ({
        folder: parentOf(path),
        name: nameOf(path),
        numbers: [BigInt(sizeBytes), mtimeNs, ctimeNs],
        labels: [of.root, of.contentType, of.tags, of.datasetIds, 'identity'],
      }))
      assert.deepEqual(found, expected)
    }
  })

  test('writes a folder and a label once, however many files share them', () => {
    const files = Array.from({ length: 256 }, (_, index) => ({
      path: bytePath(`/home/pi/.viam/capture/rdk_component_camera/left/GetImages/${index}.capture`),
      sizeBytes: 4096,
      mtimeNs: 1_700_000_000_000_000_000n + BigInt(index),
      ctimeNs: 1_700_000_000_000_000_000n,
      labels: camera,
    }))
    const encoded = encodeManifest({ files })
    assert.equal(encoded.toString('latin1').split('/home/pi/.viam/capture').length, 2)
    assert.equal(encoded.toString('latin1').split('image/jpeg').length, 2)
    assert.ok(encoded.length < 256 * 48)
    const decoded = decodeManifest(encoded).files
    assert.equal(new Set(decoded.map(({ labels }) => labels)).size, 1)
  })

  test('depends on what it says, not on which objects say it', () => {
    const rebuilt = {
      files: small.files.map((file) => ({ ...file, labels: structuredClone(file.labels) })),
    }
    assert.notEqual(rebuilt.files[0]!.labels, rebuilt.files[2]!.labels)
    assert.deepEqual(encodeManifest(rebuilt), encodeManifest(small))
  })

  test('keeps no hold of the bytes that it was read from', () => {
    const bytes = encodeManifest(small)
    const decoded = decodeManifest(bytes)
    bytes.fill(0)
    assert.deepEqual(decoded, small)
  })
})
