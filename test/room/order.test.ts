import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { type AgedFile, compareAge, OldestFiles } from '../../src/room/aged-files.ts'
import { EveryNth } from '../../src/room/every-nth.ts'

const file = (mtimeMs: number, name = `f${mtimeMs}`): AgedFile => ({
  path: bytePath(`/c/${name}`),
  mtimeMs,
})
const agesOf = (files: readonly AgedFile[]) => files.map(({ mtimeMs }) => mtimeMs)

describe('the oldest files', () => {
  test('come oldest first, those of one age by name', () => {
    const oldest = new OldestFiles(10)
    for (const each of [file(3), file(1, 'b'), file(2), file(1, 'a')]) oldest.add(each)
    assert.equal(oldest.isCutShort, false)
    assert.deepEqual(
      oldest.sorted().map(({ path }) => path),
      ['/c/a', '/c/b', '/c/f2', '/c/f3'],
    )
  })

  test('are kept and no others, in whatever order they are found', () => {
    for (const step of [1, 7, 389]) {
      const oldest = new OldestFiles(16)
      for (let n = 0; n < 1000; n += 1) oldest.add(file((n * step) % 1000))
      assert.equal(oldest.isCutShort, true)
      assert.deepEqual(
        agesOf(oldest.sorted()),
        Array.from({ length: 16 }, (_, n) => n),
      )
    }
  })

  test('say that there are more only when there are', () => {
    const oldest = new OldestFiles(3)
    for (const age of [1, 2, 3]) oldest.add(file(age))
    assert.equal(oldest.isCutShort, false)
    oldest.add(file(4))
    assert.equal(oldest.isCutShort, true)
    assert.deepEqual(agesOf(oldest.sorted()), [1, 2, 3])
  })
})

/** What goes of these files when `count` have to. */
function evict(order: EveryNth, files: readonly AgedFile[], count: number): number[] {
  const gone: AgedFile[] = []
  for (;;) {
    const toCome = files.filter((each) => !gone.includes(each) && order.isToCome(each))
    for (const each of toCome.sort(compareAge)) {
      if (gone.length === count) return agesOf(gone)
      if (order.isNextToGo) {
        gone.push(each)
        order.gone(each)
      } else order.kept(each)
    }
    if (gone.length === files.length || gone.length === count) return agesOf(gone)
    order.newRound()
  }
}

describe('every nth', () => {
  const files = Array.from({ length: 12 }, (_, n) => file(n))

  test('is the oldest, then each that comes n later', () => {
    assert.deepEqual(evict(new EveryNth(5), files, 3), [0, 5, 10])
    assert.deepEqual(evict(new EveryNth(2), files, 4), [0, 2, 4, 6])
  })

  test('with n = 1 is one after the other', () => {
    assert.deepEqual(evict(new EveryNth(1), files, 5), [0, 1, 2, 3, 4])
  })

  test('begins with the oldest of those that are left when it has gone through all', () => {
    assert.deepEqual(evict(new EveryNth(5), files, 5), [0, 5, 10, 1, 7])
    assert.equal(new Set(evict(new EveryNth(5), files, 12)).size, 12)
  })

  test('goes on where it was: room that is needed bit by bit does not cost all of the oldest', () => {
    const order = new EveryNth(5)
    const bitByBit: number[] = []
    let left = files
    for (let n = 0; n < 3; n += 1) {
      bitByBit.push(...evict(order, left, 1))
      left = files.filter(({ mtimeMs }) => !bitByBit.includes(mtimeMs))
    }
    assert.deepEqual(bitByBit, [0, 5, 10])
  })

  test('takes the next one in the place of one that may not go', () => {
    const order = new EveryNth(3)
    order.gone(file(0))
    order.kept(file(1))
    order.kept(file(2))
    assert.equal(order.isNextToGo, true)
    order.passedOver(file(3))
    assert.equal(order.isNextToGo, true)
    order.gone(file(4))
    assert.equal(order.isNextToGo, false)
    assert.equal(order.isToCome(file(4)), false)
    assert.equal(order.isToCome(file(5)), true)
  })

  test('of a number that is none lets nothing go after the first', () => {
    for (const n of [Number.NaN, 0, -3, 2.5, Number.POSITIVE_INFINITY]) {
      const order = new EveryNth(n)
      order.gone(file(0))
      for (const each of files) {
        assert.equal(order.isNextToGo, false, `${n}`)
        order.kept(each)
      }
    }
  })
})
