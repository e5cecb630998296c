import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { bytePath } from '../../../src/base/byte-path.ts'
import { putInPlace } from '../../../src/receiver/export/put-in-place.ts'
import { temporaryFolder } from '../support/stores.ts'

const noLinks = async () => {
  throw Object.assign(new Error('EPERM'), { code: 'EPERM' })
}

for (const [name, makeLink] of [
  ['with links', undefined],
  ['without links, as on exFAT', noLinks],
] as const) {
  test(`On a file system ${name} a file gets its name, but never that of another.`, async (t) => {
    const folder = await temporaryFolder(t)
    const path = (file: string) => bytePath(join(folder, file))
    await writeFile(path('new.tmp'), 'new')
    await putInPlace(path('new.tmp'), path('new'), makeLink)
    assert.equal(await readFile(path('new'), 'utf8'), 'new')

    await writeFile(path('second.tmp'), 'second')
    await assert.rejects(putInPlace(path('second.tmp'), path('new'), makeLink), { code: 'EEXIST' })
    assert.equal(await readFile(path('new'), 'utf8'), 'new')
    assert.equal(await readFile(path('second.tmp'), 'utf8'), 'second')
  })
}

test('Where it fails half-way, no empty file stays behind.', async (t) => {
  const folder = await temporaryFolder(t)
  const missing = bytePath(join(folder, 'missing.tmp'))
  await assert.rejects(putInPlace(missing, bytePath(join(folder, 'new')), noLinks), {
    code: 'ENOENT',
  })
  assert.deepEqual(await readdir(folder), [])
})

test('Other failures are told as they are.', async (t) => {
  const folder = bytePath(await temporaryFolder(t))
  const missing = bytePath(`${folder}/missing`)
  await assert.rejects(putInPlace(missing, bytePath(`${folder}/new`)), { code: 'ENOENT' })
})
