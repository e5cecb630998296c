import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytePath } from '../../src/base/byte-path.ts'
import { isOtherMount, mountPoints, parseMountInfo } from '../../src/scan/mount-points.ts'

const text = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '30 22 8:1 /home /data/bound rw,relatime shared:1 - ext4 /dev/sda1 rw',
  String.raw`31 22 8:17 / /media/my\040disk\011x\012y\134z rw - vfat /dev/sdb1 rw`,
  '',
].join('\n')

describe('mount points', () => {
  test('are read from mountinfo, with what it escapes', () => {
    assert.deepEqual([...parseMountInfo(text)], ['/', '/data/bound', '/media/my disk\tx\ny\\z'])
  })

  test('of this machine hold its root', () => {
    assert.ok(mountPoints().has(bytePath('/')))
  })

  test('are none where the list cannot be read', () => {
    assert.deepEqual([...mountPoints('/proc/self/nothing')], [])
  })
})

describe('a folder below a root', () => {
  const none = new Set<never>()
  test('is on another mount when its device is another', () => {
    assert.equal(isOtherMount(bytePath('/data/usb'), 2n, 1n, none), true)
  })

  test('is on the same mount when its device is the same', () => {
    assert.equal(isOtherMount(bytePath('/data/sub'), 1n, 1n, parseMountInfo(text)), false)
  })

  test('is on another mount when a folder of the same file system is mounted there', () => {
    assert.equal(isOtherMount(bytePath('/data/bound'), 1n, 1n, parseMountInfo(text)), true)
  })

  test('is on another mount when the device of its root is not known', () => {
    assert.equal(isOtherMount(bytePath('/data/sub'), 1n, undefined, none), true)
  })
})
