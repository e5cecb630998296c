import assert from 'node:assert/strict'
import { test } from 'node:test'
import { captureFile, captureFilePath } from '../support/capture-file.ts'

test('a tabular capture file has the bytes that the format prescribes', () => {
  const file = captureFile(
    {
      componentType: 'c',
      componentName: 'n',
      methodName: 'm',
      type: 2,
      methodParameters: { p: 'v' },
      fileExtension: '.dat',
      tags: ['t', ''],
    },
    [
      {
        requestedAtMs: 1000,
        receivedAtMs: 1500,
        readings: { a: 1, b: [null, true, 'x', { k: -2.5 }] },
      },
    ],
  )
  const expected = [
    '53', // 83 bytes of DataCaptureMetadata
    '0a 01 63', // 1 component_type
    '12 01 6e', // 2 component_name
    '22 01 6d', // 4 method_name
    '28 02', // 5 type: TABULAR_SENSOR
    '32 3b', // 6 method_parameters: an entry
    '0a 01 70', // key
    '12 36', // value: Any
    '0a 2f', // type_url
    Buffer.from('type.googleapis.com/google.protobuf.StringValue').toString('hex'),
    '12 03 0a 01 76', // value: StringValue
    '3a 04 2e 64 61 74', // 7 file_extension
    '42 01 74', // 8 tags
    '42 00',
    '5c', // 92 bytes of SensorData
    '0a 0e', // 1 metadata
    '0a 02 08 01', // 1 time_requested: 1 s
    '12 08 08 01 10 80 ca b5 ee 01', // 2 time_received: 1 s and 500,000,000 ns
    '12 4a', // 2 struct
    '0a 48', // fields: an entry
    '0a 08 72 65 61 64 69 6e 67 73', // key "readings"
    '12 3c 2a 3a', // value: struct_value
    '0a 0e 0a 01 61 12 09 11 00 00 00 00 00 00 f0 3f', // a: number_value 1
    '0a 28 0a 01 62 12 23 32 21', // b: list_value
    '0a 02 08 00', // null_value
    '0a 02 20 01', // bool_value
    '0a 03 1a 01 78', // string_value
    '0a 12 2a 10', // struct_value
    '0a 0e 0a 01 6b 12 09 11 00 00 00 00 00 00 04 c0',
  ]
  assert.equal(file.toString('hex'), expected.join('').replaceAll(' ', ''))
})

test('a binary capture file has the bytes that the format prescribes', () => {
  const header = {
    componentType: 'c',
    componentName: '',
    methodName: 'm',
    type: 1,
    mimeType: 'a/b',
  }
  const binary = Buffer.alloc(300, 0xab)
  const file = captureFile(header, [{ requestedAtMs: 0, receivedAtMs: 128_000, binary }])
  const expected = [
    '0d 0a 01 63 22 01 6d 28 01 52 03 61 2f 62', // mime_type is field 10
    'b8 02', // 312 bytes of SensorData
    '0a 07 0a 00 12 03 08 80 01', // metadata: 0 s (not written), 128 s
    '1a ac 02', // 3 binary: 300 bytes
    binary.toString('hex'),
  ]
  assert.equal(file.toString('hex'), expected.join('').replaceAll(' ', ''))
})

test("a capture file's path has Viam's folders and a time without colons", () => {
  const name = {
    componentType: 'rdk:component:arm',
    componentName: 'arm1',
    methodName: 'JointPositions',
    atMs: Date.UTC(2024, 0, 2, 15, 4, 5, 123),
    micros: 456,
  }
  assert.equal(
    captureFilePath('/data', name),
    '/data/rdk_component_arm/arm1/JointPositions/2024-01-02T15_04_05.123456Z.capture',
  )
  assert.match(captureFilePath('/data', { ...name, extension: '.prog' }), /123456Z\.prog$/)
})
