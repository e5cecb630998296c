import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { blake3 } from '../../src/base/hash.ts'
import { verifierFor } from '../../src/receiver/ingest/verifier.ts'
import { defaultLimits } from '../../src/receiver/server/limits.ts'
import * as limits from '../../src/wire/limits.ts'
import { encodeManifest } from '../../src/wire/manifest-codec.ts'
import { decodeJsonManifest } from '../../src/wire/manifest-json.ts'
import { encodeOutcomes, outcomesAsJson } from '../../src/wire/outcome.ts'
import { startTestReceiver } from '../support/test-receiver.ts'
import { exampleMessage, hexDump } from './example.ts'

const top = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(top, 'docs/protocol.md'), 'utf8')
/** Tables without the spaces that only line their columns up. */
const tables = page.replaceAll(/ +\|/g, ' |')

function codeBlocks(language: string): string[] {
  return [...page.matchAll(/^```(\w*)\n(.*?)^```/gms)]
    .filter(([, name]) => name === language)
    .map(([, , text]) => text!)
}

describe('docs/protocol.md', () => {
  test('shows the bytes that Longshore sends, and those that it gets', () => {
    const { body, contentType, uploadId, manifest, digests } = exampleMessage()
    const outcomes = encodeOutcomes([{ status: 'stored', sizeBytes: 6, digest: digests[0]! }])
    const shown = codeBlocks('')
    assert.ok(shown.includes(`${hexDump(body)}\n`))
    assert.ok(shown.includes(`${hexDump(outcomes)}\n`))
    assert.ok(page.includes(`content-type: ${contentType}\ncontent-length: ${body.length}\n`))
    assert.ok(page.includes(`idempotency-key: "${uploadId}"`))
    const explained = shown.find((text) => text.startsWith('94 '))!
    const bytes = [...explained.matchAll(/^ *((?:[0-9a-f]{2} )+) {2}/gm)].map(([, hex]) => hex)
    const encoded = encodeManifest(manifest)
    assert.equal(bytes.join('').replaceAll(' ', ''), encoded.toString('hex'))
    assert.ok(page.includes(`begins at byte ${body.indexOf(encoded)}:`))
  })

  test('shows a JSON manifest that can be read', () => {
    const shown = codeBlocks('json').find((text) => text.includes('path_base64'))!
    const [first, second] = decodeJsonManifest(Buffer.from(shown)).files
    assert.equal(first!.path, '/home/pi/a.jpg')
    assert.equal(second!.path, '/home/pi/\xff.jpg')
  })

  test('shows what a standard client is answered', () => {
    const contentDisposition = 'attachment; filename="cam/front.jpg"'
    assert.ok(page.includes(contentDisposition))
    const head = { contentType: 'image/jpeg', contentDisposition, uploadId: undefined }
    const verifier = verifierFor(head)
    verifier.push(Buffer.from('front\n'))
    const answer = JSON.parse(outcomesAsJson(verifier.finish().outcomes))
    const shown = codeBlocks('json').find((text) => text.includes('/cam/front.jpg'))!
    assert.deepEqual(JSON.parse(shown), answer)
  })

  test('lists every problem that a receiver answers with, and no other', () => {
    const folder = join(top, 'src/receiver/server')
    const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
    const wireErrors = readFileSync(join(top, 'src/wire/wire-error.ts'), 'utf8')
    const inSources = new Set<string>()
    for (const [, code, status] of wireErrors.matchAll(/^ {2}(\w+): (\d{3}),$/gm)) {
      inSources.add(`${code} ${status}`)
    }
    assert.equal(inSources.size, 7)
    for (const source of sources) {
      const constants = new Map(
        [...source.matchAll(/const code = '(\w+)'/g)].map(([, code]) => ['code', code]),
      )
      const named = source.matchAll(/code(?:: '(\w+)')?,\s*status: (\d{3})/g)
      const called = source.matchAll(/problem\(\s*'(\w+)',\s*(\d{3})/g)
      for (const [, code = constants.get('code'), status] of [...named, ...called]) {
        if (code !== undefined) inSources.add(`${code} ${status}`)
      }
    }
    const listed = [...tables.matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)].map(
      (row) => `${row[1]} ${row[2]}`,
    )
    assert.deepEqual(listed.toSorted(), [...inSources].toSorted())
  })

  test('lists the limits as they are', () => {
    const rows: readonly [string, number][] = [
      ['bytes, without `Upload-Complete: ?1`', limits.maxBundleMessageBytes],
      ['bytes, with it', limits.maxFileSizeBytes],
      ['bytes of a file', limits.maxFileSizeBytes],
      ['bytes of the manifest', limits.maxManifestBytes],
      ['files', limits.maxFilesPerMessage],
      ['bytes of the header of a part', limits.maxPartHeaderBytes],
      ['parts of a form without a manifest', limits.maxFilesPerMessage],
      ['bytes of the headers of its parts together', limits.maxManifestBytes],
      ['folders, and labels, in MessagePack', limits.maxFilesPerMessage],
      ['bytes of a folder, of a name, of a root', limits.maxPathBytes],
      ['tags, dataset ids, and parameters, of one file', limits.maxTagsPerFile],
      ['of these together, in all labels in MessagePack', limits.maxLabelEntriesPerManifest],
      ['bytes of a tag or a dataset id', limits.maxTagBytes],
      ['bytes of any other text', limits.maxLabelBytes],
      ['bytes of the value of a parameter', limits.maxParameterBytes],
      ['connections', defaultLimits.connections],
      ['requests at a time per connection', defaultLimits.streamsPerConnection],
    ]
    for (const [what, value] of rows) {
      assert.ok(tables.includes(`| ${what} | ${value.toLocaleString('en-US')} |`), what)
    }
    const times: readonly [string, number][] = [
      ["until a connection's handshake is complete", defaultLimits.handshakeMs],
      ['until a connection has shown who it is', defaultLimits.strangerMs],
      ['without a byte on a request', defaultLimits.streamIdleMs],
      ['without a byte on a connection', defaultLimits.connectionIdleMs],
      ['for uploads under way when it is told to end', defaultLimits.drainMs],
    ]
    for (const [what, ms] of times) assert.ok(tables.includes(`| ${what} | ${ms / 1000} s |`), what)
    const { headerPairs, headerBytes } = defaultLimits
    const bytes = headerBytes.toLocaleString('en-US')
    assert.ok(
      tables.includes(
        `| header fields of a request | ${headerPairs}, of ${bytes} bytes together |`,
      ),
    )
  })
})

describe('the client of docs/protocol.md', () => {
  const folder = mkdtemp(join(tmpdir(), 'longshore-protocol-'))
  after(async () => rm(await folder, { recursive: true }))

  test('uploads files of any size', async () => {
    const dir = await folder
    const receiver = await startTestReceiver()
    try {
      const [client] = codeBlocks('js')
      await writeFile(join(dir, 'upload.mjs'), client!)
      await symlink(join(top, 'node_modules'), join(dir, 'node_modules'))
      const [id, secret] = Buffer.from(receiver.authorization.slice(6), 'base64')
        .toString()
        .split(':')
      const cloud = { app_address: receiver.address, id, secret, ca_pem: receiver.caPem }
      await writeFile(join(dir, 'robot.json'), JSON.stringify({ cloud }))
      const contents = [Buffer.alloc(0), Buffer.from('hello\n'), Buffer.alloc(5 * 1024 * 1024, 'x')]
      for (const [index, bytes] of contents.entries()) {
        await writeFile(join(dir, `file-${index}`), bytes)
        const args = ['upload.mjs', 'robot.json', `file-${index}`]
        const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: dir })
        assert.equal(stdout, 'stored: the file may be removed\n')
      }
      const stored = await receiver.stored()
      const found = stored.map(({ path, bytes }) => `${path} ${blake3(bytes)}`).toSorted()
      const expected = contents.map(
        (bytes, index) => `${join(dir, `file-${index}`)} ${blake3(bytes)}`,
      )
      assert.deepEqual(found, expected)
    } finally {
      await receiver.close()
    }
  })
})
