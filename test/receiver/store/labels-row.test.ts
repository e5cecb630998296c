import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BytePath } from '../../../src/base/byte-path.ts'
import { labelsFromRow, labelsToRow } from '../../../src/receiver/store/labels-row.ts'
import type { FileLabels } from '../../../src/wire/manifest.ts'
import { plainLabels } from '../../support/message.ts'

const full: FileLabels = {
  root: '/data/\xff\xfe' as BytePath,
  contentType: 'image/jpeg',
  tags: ['', 'night', 'ä"\'\\\n\0'],
  datasetIds: ['d1', 'd2'],
  coding: 'identity',
  capture: {
    componentType: 'rdk:component:camera',
    componentName: 'cam',
    methodName: 'ReadImage',
    type: 1,
    methodParameters: [
      { name: 'mime', typeUrl: 'type.googleapis.com/x', value: Buffer.from([0, 255, 10]) },
      { name: 'none', typeUrl: '', value: Buffer.alloc(0) },
    ],
    fileExtension: '.jpg',
    mimeType: 'image/jpeg',
  },
}

test('Labels come back from the catalog as they went in.', () => {
  for (const labels of [full, plainLabels, { ...plainLabels, root: '' as BytePath }]) {
    assert.deepEqual(labelsFromRow(labelsToRow(labels)), labels)
  }
})

test('SQL can look into lists and into the capture header.', () => {
  const { tags, dataset_ids: datasetIds, capture } = labelsToRow(full)
  assert.deepEqual(JSON.parse(tags), full.tags)
  assert.deepEqual(JSON.parse(datasetIds), full.datasetIds)
  assert.equal(JSON.parse(capture ?? '').componentName, 'cam')
  assert.equal(labelsToRow(plainLabels).capture, null)
})
