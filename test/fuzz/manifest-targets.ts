import assert from 'node:assert/strict'
import { maxFileSizeBytes, maxFilesPerMessage } from '../../src/wire/limits.ts'
import type { Manifest } from '../../src/wire/manifest.ts'
import { decodeManifest, encodeManifest } from '../../src/wire/manifest-codec.ts'
import { decodeJsonManifest } from '../../src/wire/manifest-json.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { mutated, randomManifest } from '../wire/manifests.ts'
import type { Random } from '../wire/random.ts'
import { type FuzzTarget, outcomeOf } from './fuzz-target.ts'

function refusal(error: unknown): string {
  assert.ok(error instanceof WireError && error.code === 'bad_manifest', String(error))
  return outcomeOf(error.message)
}

/** What every manifest keeps to that was let in. */
function assertWithinLimits({ files }: Manifest): void {
  assert.ok(files.length > 0 && files.length <= maxFilesPerMessage)
  for (const { sizeBytes, mtimeNs, ctimeNs } of files) {
    assert.ok(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0 && sizeBytes <= maxFileSizeBytes)
    for (const ns of [mtimeNs, ctimeNs]) assert.equal(BigInt.asIntN(64, ns), ns)
  }
}

function runManifest(random: Random): string {
  const manifest = randomManifest(random, 4)
  const encoded = encodeManifest(manifest)
  assert.ok(
    encodeManifest(decodeManifest(encoded)).equals(encoded),
    'the same files, the same bytes',
  )
  let found: Manifest
  try {
    found = decodeManifest(mutated(random, encoded))
  } catch (error) {
    return refusal(error)
  }
  assertWithinLimits(found)
  const again = encodeManifest(found)
  assert.ok(encodeManifest(decodeManifest(again)).equals(again))
  return `${found.files.length} files`
}

export const manifest: FuzzTarget = { name: 'manifest', run: runManifest }

const jsonValues = [
  null,
  true,
  0,
  -1,
  1.5,
  6,
  2 ** 50,
  2 ** 53,
  '',
  '0',
  '-9223372036854775808',
  '9223372036854775808',
  '1700000000123456789',
  '/data/a',
  'identity',
  'L2E=',
  'L2E',
  '\ud800',
  '\0',
  'x'.repeat(1025),
  'x'.repeat(4097),
  [],
  ['b', 'a', 'b'],
  [null],
  {},
]

const members = [
  ...['path', 'path_base64', 'size', 'mtime_ns', 'ctime_ns', 'root', 'root_base64'],
  ...['content_type', 'tags', 'dataset_ids', 'coding', '__proto__', 'toString', 'more'],
]

function runJson(random: Random): string {
  const files = random.list(3, () => {
    const file: [string, unknown][] = [
      ['path', '/data/a'],
      ['size', 6],
      ['mtime_ns', '0'],
    ]
    for (let left = random.below(3); left > 0; left -= 1) {
      file.push([random.pick(members), random.pick(jsonValues)])
    }
    return Object.fromEntries(file)
  })
  const json = {
    version: random.chance(0.95) ? 1 : random.pick(jsonValues),
    files: random.chance(0.95) ? files : random.pick(jsonValues),
  }
  const valid = Buffer.from(JSON.stringify(json))
  const encoded = random.chance(0.5) ? valid : mutated(random, valid)
  let found: Manifest
  try {
    found = decodeJsonManifest(encoded)
  } catch (error) {
    return refusal(error)
  }
  assertWithinLimits(found)
  for (const { labels } of found.files) {
    assert.deepEqual(labels.tags, [...new Set(labels.tags)].sort())
  }
  assert.ok(encodeManifest(found).length > 0)
  return `${found.files.length} files`
}

export const manifestJson: FuzzTarget = { name: 'manifest-json', run: runJson }
