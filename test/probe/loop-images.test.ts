import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loopImages } from '../../src/probe/loop-images.ts'
import { lookUpOpenWriters } from '../../src/probe/open-writers.ts'

const folder = mkdtempSync(join(tmpdir(), 'longshore-loop-'))
after(() => rmSync(folder, { recursive: true }))

/** A device as the kernel shows it in /sys/block. */
function device(name: string, ro: '0' | '1', image?: string | Buffer): void {
  const path = join(folder, 'block', name)
  mkdirSync(join(path, 'loop'), { recursive: true })
  writeFileSync(join(path, 'ro'), `${ro}\n`)
  if (image === undefined) return
  writeFileSync(
    join(path, 'loop/backing_file'),
    Buffer.concat([Buffer.from(image), Buffer.from('\n')]),
  )
}

test('invariant 1: the image behind a loop device counts as open for writing, unless it is read-only.', async () => {
  const written = Buffer.concat([Buffer.from(join(folder, 'written-')), Buffer.from([0xff])])
  const readOnly = join(folder, 'read-only')
  for (const image of [written, readOnly]) writeFileSync(image, 'image')
  device('loop0', '0', written)
  device('loop1', '1', readOnly)
  device('loop2', '0', join(folder, 'removed since'))
  device('loop3', '0')
  device('sda', '0', readOnly)
  const blockDevices = join(folder, 'block')
  const { dev, ino } = statSync(written, { bigint: true })
  assert.deepEqual(
    [...loopImages(blockDevices)].map((image) => [image.dev, image.ino]),
    [[dev, ino]],
  )
  assert.ok((await lookUpOpenWriters({ blockDevices })).has(dev, ino))
  assert.deepEqual([...loopImages(join(folder, 'no such folder'))], [])
})
