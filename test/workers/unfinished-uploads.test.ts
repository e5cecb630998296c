import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { FileHash } from '../../workers/file-hash.ts'
import { type UnfinishedUpload, UnfinishedUploads } from '../../workers/unfinished-uploads.ts'

function upload(name: string): UnfinishedUpload {
  const file = { path: bytePath(`/data/${name}`) }
  return { file, hash: new FileHash(), mayBeComplete: false } as UnfinishedUpload
}

test('an upload is handed over once, and again only after it was kept', () => {
  const unfinished = new UnfinishedUploads()
  const one = upload('one')
  unfinished.keep(one)
  assert.equal(unfinished.take(one.file.path), one)
  assert.equal(unfinished.take(one.file.path), undefined)
  unfinished.keep(one)
  assert.equal(unfinished.take(one.file.path), one)
})

test('invariant 7: at most 64 are kept, those that broke off last', () => {
  const unfinished = new UnfinishedUploads()
  const all = Array.from({ length: 70 }, (_, n) => upload(`${n}`))
  for (const each of all) unfinished.keep(each)
  // It broke off once more, and is among the last again.
  unfinished.keep(all[6]!)
  unfinished.keep(upload('one more'))
  const kept = all.filter(({ file }) => unfinished.take(file.path) !== undefined)
  assert.deepEqual(kept, [all[6], ...all.slice(8)])
})
