import assert from 'node:assert/strict'
import type { ServerHttp2Stream } from 'node:http2'
import { test } from 'node:test'
import type { Creation } from '../../../src/receiver/resume/creation.ts'
import { type RouteContext, route } from '../../../src/receiver/server/routes.ts'
import { UploadRoutes } from '../../../src/receiver/server/upload-routes.ts'
import { silentLog } from '../../../src/telemetry/log.ts'

type Take = (creation: Creation, announced: () => number) => Promise<'broken'>

/** A route whose disk counts what is announced, and whose uploads do what the test says. */
function routing(take: Take) {
  let announcedBytes = 0
  const freeSpace = {
    enter: async (sizeBytes: number) => {
      announcedBytes += sizeBytes
      return true
    },
    leave: (sizeBytes: number) => {
      announcedBytes -= sizeBytes
    },
    figures: async () => ({ freeBytes: 0, totalBytes: 0 }),
  }
  const notAsked = () => {
    throw new Error('not asked for')
  }
  const uploads = new UploadRoutes({
    ingest: { take: notAsked },
    uploads: {
      create: async (creation) => {
        return { kind: await take(creation, () => announcedBytes), uploadId: '' }
      },
      look: notAsked,
      append: notAsked,
      cancel: notAsked,
    },
    freeSpace,
    keepsBytes: true,
    maxAgeMs: 1000,
  })
  const context: RouteContext = { uploads, freeSpace, storeKind: 'folder', log: silentLog }
  const headers = {
    ':method': 'POST',
    ':path': '/v1/uploads',
    'content-length': '2000000',
    'upload-complete': '?1',
  }
  const post = () => route(context, 'robot', {} as ServerHttp2Stream, headers)
  return { post, announced: () => announcedBytes }
}

test('invariant 4: what a large upload has written holds no room any more that others could have.', async () => {
  const seen: number[] = []
  const { post, announced } = routing(async ({ onWritten }, current) => {
    seen.push(current())
    onWritten(1_200_000)
    seen.push(current())
    // More than was announced, as when the sender sends too much.
    onWritten(1_200_000)
    seen.push(current())
    return 'broken'
  })
  await post()
  assert.deepEqual(seen, [2_000_000, 800_000, 0])
  assert.equal(announced(), 0)
})

test('What an upload announced is given back when it breaks off, and when it fails.', async () => {
  const breaks = routing(async () => 'broken')
  await breaks.post()
  assert.equal(breaks.announced(), 0)
  const fails = routing(async () => {
    throw new Error('a bug')
  })
  await assert.rejects(fails.post(), /a bug/)
  assert.equal(fails.announced(), 0)
})
