import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nullCatalog } from '../../../src/receiver/store/null-catalog.ts'
import { NullSegmentStore } from '../../../src/receiver/store/null-segment-store.ts'
import { buildMessage } from '../../support/message.ts'
import { incoming, ingestInto } from '../support/stores.ts'
import { testsOfAnyStore } from './segment-store-conformance.ts'

testsOfAnyStore({ name: 'The store that throws away', open: async () => new NullSegmentStore() })

test('With the store that throws away every file is verified and called stored, each time.', async () => {
  const ingest = ingestInto({ segments: new NullSegmentStore(), catalog: nullCatalog })
  const message = buildMessage([
    { path: '/a', bytes: 'right' },
    { path: '/b', bytes: 'wrong', declaredDigest: '00'.repeat(32) },
  ])
  for (const single of [false, true]) {
    const outcomes = await ingest.take(incoming(message, { single }))
    assert.deepEqual(
      outcomes?.map(({ status, digest }) => [status, digest]),
      [
        ['stored', message.digests[0]],
        ['rejected', message.digests[1]],
      ],
    )
  }
})
