import assert from 'node:assert/strict'
import type { ServerHttp2Stream } from 'node:http2'
import { test } from 'node:test'
import type { IncomingMessage } from '../../../src/receiver/ingest/ingest.ts'
import { type RouteContext, route } from '../../../src/receiver/server/routes.ts'
import { silentLog } from '../../../src/telemetry/log.ts'

const headers = { ':method': 'POST', ':path': '/v1/uploads', 'content-length': '1000' }

/** A route whose disk counts what is announced, and whose ingest does what the test says. */
function routing(take: (message: IncomingMessage, announced: () => number) => Promise<undefined>) {
  let announcedBytes = 0
  const context: RouteContext = {
    ingest: { take: (message) => take(message, () => announcedBytes) },
    freeSpace: {
      enter: async (sizeBytes) => {
        announcedBytes += sizeBytes
        return true
      },
      leave: (sizeBytes) => {
        announcedBytes -= sizeBytes
      },
      figures: async () => ({ freeBytes: 0, totalBytes: 0 }),
    },
    storeKind: 'folder',
    log: silentLog,
  }
  const post = () => route(context, 'robot', {} as ServerHttp2Stream, headers)
  return { post, announced: () => announcedBytes }
}

test('invariant 4: what a large upload has written holds no room any more that others could have.', async () => {
  const seen: number[] = []
  const { post, announced } = routing(async ({ onWritten }, current) => {
    seen.push(current())
    onWritten?.(600)
    seen.push(current())
    // More than was announced, as when the sender sends too much.
    onWritten?.(600)
    seen.push(current())
    return undefined
  })
  await post()
  assert.deepEqual(seen, [1000, 400, 0])
  assert.equal(announced(), 0)
})

test('What an upload announced is given back when it breaks off, and when it fails.', async () => {
  const breaks = routing(async () => undefined)
  await breaks.post()
  assert.equal(breaks.announced(), 0)
  const fails = routing(async () => {
    throw new Error('a bug')
  })
  await assert.rejects(fails.post(), /a bug/)
  assert.equal(fails.announced(), 0)
})
