import assert from 'node:assert/strict'
import { rm, unlink } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { DataFolder } from '../../../src/receiver/identity/data-folder.ts'
import { FolderSegmentStore } from '../../../src/receiver/store/folder-segment-store.ts'
import { CatalogReader } from '../../../src/receiver/upkeep/catalog-reader.ts'
import { readKnownDamage } from '../../../src/receiver/upkeep/known-damage.ts'
import { rebuildCatalog } from '../../../src/receiver/upkeep/rebuild-catalog.ts'
import { segmentReader } from '../../../src/receiver/upkeep/segment-reader.ts'
import {
  type Finding,
  type Tally,
  type VerifyOptions,
  verifyStored,
} from '../../../src/receiver/upkeep/verify-stored.ts'
import { buildMessage } from '../../support/message.ts'
import { incoming, ingestInto, openStores } from '../support/stores.ts'
import {
  contentsOf,
  copyOf,
  damage,
  flip,
  isIntact,
  listing,
  seededFolder,
  segmentFile,
} from './seeded-folder.ts'

interface Verified extends Tally {
  readonly isThrough: boolean
  readonly findings: readonly string[]
  readonly places: readonly string[]
  readonly lastSegment: number
}

interface VerifyMore extends Partial<Pick<VerifyOptions, 'fromSegment' | 'onSegment'>> {
  readonly beforeRead?: () => Promise<void>
}

async function verify(dataFolder: DataFolder, more: VerifyMore = {}): Promise<Verified> {
  const catalog = CatalogReader.open(dataFolder.catalogFile)
  const segments = await FolderSegmentStore.open(dataFolder.segmentsFolder)
  const tally: Tally = { segments: 0, files: 0, bytes: 0, damages: 0 }
  const findings: string[] = []
  const places: string[] = []
  let lastSegment = 0
  try {
    catalog.check()
    const isThrough = await verifyStored({
      catalog,
      read: segmentReader(segments, new AbortController().signal, more.beforeRead ?? (() => {})),
      fromSegment: more.fromSegment ?? 1,
      isKnown: await readKnownDamage(dataFolder.path),
      onFinding: (finding) => {
        if (finding.kind === 'place') places.push(textOf(finding))
        else findings.push(textOf(finding))
      },
      onSegment: async (segmentId) => {
        lastSegment = segmentId
        return (await more.onSegment?.(segmentId)) ?? false
      },
      tally,
    })
    return { ...tally, isThrough, findings: findings.sort(), places, lastSegment }
  } finally {
    catalog.close()
    await segments.close()
  }
}

function textOf(finding: Finding): string {
  if (finding.kind === 'file') {
    const { machine, path, segmentId, offset } = finding.file
    return `${machine} ${path} ${segmentId} ${offset}`
  }
  const { segmentId, fromByte } = finding.place
  if (finding.kind === 'unlisted') {
    return `unlisted ${finding.machine} ${finding.path} ${segmentId} ${fromByte}`
  }
  return `${segmentId} ${fromByte}${finding.isKnown ? ' known' : ''}`
}

/** Changes the catalog behind everybody's back. */
function editCatalog({ catalogFile }: DataFolder, sql: string): void {
  const database = new DatabaseSync(catalogFile, { enableForeignKeyConstraints: false })
  database.exec(sql)
  database.close()
}

test('What is stored is read and found whole, and nothing in the folder changes.', async (t) => {
  const dataFolder = await seededFolder(t)
  const files = listing(dataFolder.catalogFile)
  const before = await contentsOf(dataFolder.segmentsFolder)
  const { findings, places, ...found } = await verify(dataFolder)
  assert.deepEqual({ findings, places }, { findings: [], places: [] })
  assert.deepEqual(found, {
    isThrough: true,
    segments: 5,
    lastSegment: 5,
    files: files.length,
    bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    damages: 0,
  })
  assert.deepEqual(await contentsOf(dataFolder.segmentsFolder), before)
})

/** Exactly the files whose bytes changed are named, each with its record. */
async function checkFindings(dataFolder: DataFolder, where: string): Promise<void> {
  const segments = await contentsOf(dataFolder.segmentsFolder)
  const files = listing(dataFolder.catalogFile)
  const hit = files.filter((file) => !isIntact(file, segments))
  const { findings, places, files: right, damages } = await verify(dataFolder)
  assert.deepEqual(findings, hit.map((file) => textOf({ kind: 'file', file })).sort(), where)
  // A part's header has bytes that say nothing of what is stored.
  assert.ok(places.length > 0 || hit.length === 0, where)
  assert.equal(right, files.length - hit.length, where)
  assert.equal(damages, findings.length + places.length, where)
}

test('invariant 3: whichever byte of a segment is wrong, the file it belongs to is named.', async (t) => {
  const original = await seededFolder(t)
  const whole = (await contentsOf(original.segmentsFolder)).get('000000000001.seg')!
  for (let at = 5; at < whole.length; at += 53) {
    await damage(original, 1, (bytes) => flip(bytes, at))
    await checkFindings(original, `byte ${at}`)
    await damage(original, 1, (bytes) => flip(bytes, at))
  }
})

test('Damage around the files is reported too: in a head, a manifest, a trailer, the first bytes.', async (t) => {
  const dataFolder = await seededFolder(t)
  const spots: readonly ((bytes: Buffer) => number)[] = [
    () => 0,
    (bytes) => bytes.indexOf('LSRH') + 20,
    (bytes) => bytes.indexOf('vnd.msgpack') + 60,
    (bytes) => bytes.indexOf('LSRT') + 20,
    (bytes) => bytes.lastIndexOf('LSRT') + 3,
    (bytes) => bytes.length - 1,
  ]
  for (const spot of spots) {
    await damage(dataFolder, 2, (bytes) => flip(bytes, spot(bytes)))
    const { findings, places } = await verify(dataFolder)
    assert.deepEqual([findings, places.length], [[], 1], String(spot))
    await damage(dataFolder, 2, (bytes) => flip(bytes, spot(bytes)))
  }
})

test('Segments that are cut, missing, or zeroed in part are reported with every file in there.', async (t) => {
  const original = await seededFolder(t)
  const cases: readonly (readonly [string, (dataFolder: DataFolder) => Promise<void>])[] = [
    ['cut in a record', (d) => damage(d, 1, (bytes) => bytes.subarray(0, 2000))],
    ['missing', (d) => unlink(segmentFile(d, 2))],
    ['a zeroed block', (d) => damage(d, 4, (bytes) => bytes.fill(0, 4096, 8192))],
    ['a zeroed start', (d) => damage(d, 5, (bytes) => bytes.fill(0, 0, 1024))],
  ]
  for (const [name, doDamage] of cases) {
    const dataFolder = await copyOf(t, original)
    await doDamage(dataFolder)
    await checkFindings(dataFolder, name)
    await rm(dataFolder.path, { recursive: true })
  }
})

test('A row of the catalog that points at other bytes is reported, and one that is missing too.', async (t) => {
  const dataFolder = await seededFolder(t)
  editCatalog(
    dataFolder,
    "UPDATE files SET offset = offset + 1 WHERE name = CAST('tagged' AS BLOB)",
  )
  editCatalog(dataFolder, "DELETE FROM files WHERE name = CAST('5' AS BLOB)")
  editCatalog(dataFolder, "UPDATE files SET offset = 9000000 WHERE name = CAST('last' AS BLOB)")
  const { findings, damages } = await verify(dataFolder)
  assert.deepEqual(
    findings.map((text) => text.replace(/ \d+$/, '')),
    ['crane /a/tagged 1', 'crane /last 3', 'unlisted crane /many/5 2', 'unlisted robot /a/5 2'],
  )
  assert.equal(damages, 4)
})

test('A damaged catalog, or one whose rows belong to nothing, is an error that says so.', async (t) => {
  const dataFolder = await seededFolder(t)
  editCatalog(dataFolder, 'DELETE FROM messages WHERE id = 1')
  await assert.rejects(verify(dataFolder), { code: 'data_damaged' })
})

test('Beside a receiver that takes more in, what was stored at the start is verified.', async (t) => {
  const dataFolder = await seededFolder(t)
  const files = listing(dataFolder.catalogFile).length
  const stores = await openStores(dataFolder.path)
  t.after(() => stores.close())
  const ingest = ingestInto(stores)
  let number = 0
  const take = () => {
    number += 1
    const message = buildMessage([{ path: `/new/${number}`, bytes: `new ${number}` }])
    return ingest.take(incoming(message))
  }
  await take()
  const found = await verify(dataFolder, {
    beforeRead: async () => {
      await take()
    },
  })
  assert.deepEqual(found.findings, [])
  assert.deepEqual(found.places, [])
  assert.equal(found.files, files + 1)
  assert.ok(number > 20)
})

test('A pass that ended early goes on with the next segment, and nothing is left out.', async (t) => {
  const dataFolder = await seededFolder(t)
  const files = listing(dataFolder.catalogFile).length
  let total = 0
  let from = 1
  for (let part = 1; part <= 5; part += 1) {
    const found = await verify(dataFolder, { fromSegment: from, onSegment: async () => true })
    assert.equal(found.segments, 1)
    assert.equal(found.isThrough, false)
    from = found.lastSegment + 1
    total += found.files
  }
  assert.equal(total, files)
  const end = await verify(dataFolder, { fromSegment: from, onSegment: async () => true })
  assert.deepEqual([end.isThrough, end.segments], [true, 0])
})

test('Damage that a rebuild has given up is a note from then on; new damage is not.', async (t) => {
  const dataFolder = await seededFolder(t)
  const [victim, other] = ['/last', '/twice'].map(
    (path) => listing(dataFolder.catalogFile).find((file) => file.path === path)!,
  )
  await damage(dataFolder, victim!.segmentId, (bytes) => flip(bytes, victim!.offset))
  assert.equal((await verify(dataFolder)).damages, 2)
  await rebuildCatalog({
    dataFolder,
    signal: new AbortController().signal,
    onProgress: () => {},
    onLost: () => {},
  })
  const after = await verify(dataFolder)
  assert.equal(after.damages, 0)
  assert.equal(after.places.length, 1)
  assert.match(after.places[0]!, /known/)
  await damage(dataFolder, other!.segmentId, (bytes) => flip(bytes, other!.offset))
  const again = await verify(dataFolder)
  assert.equal(again.damages, 2)
  assert.deepEqual(again.findings, [textOf({ kind: 'file', file: other! })])
})
