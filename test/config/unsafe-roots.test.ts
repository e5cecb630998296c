import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BytePath } from '../../src/base/byte-path.ts'
import { unsafeRootReason } from '../../src/config/unsafe-roots.ts'
import { fakeRootFacts } from './fake-context.ts'

const reasonFor = (root: string) => unsafeRootReason(root as BytePath, fakeRootFacts)

describe('unsafeRootReason', () => {
  for (const [reason, roots] of [
    ['it is the whole file system', ['/']],
    ['it is a relative path', ['', 'data', '../x']],
    ['it is shared by much else', ['/home', '/opt', '/tmp', '/var', '/var/lib', '/var/tmp']],
    ['it is shared by much else', ['/dev/shm', '/run/media']],
    [
      'it belongs to the operating system',
      '/bin /boot /boot/firmware /dev /dev/shmem /etc /etc/robot /lib /proc /proc/1 /run /run/x /sbin /sys /usr /usr/local/data'.split(
        ' ',
      ),
    ],
    ['it is the home directory of an account', ['/root', '/home/pi', '/home/from-ldap']],
    ['it contains the home directory /srv/accounts/robot', ['/srv/accounts', '/srv']],
    [
      'it contains /srv/node/bin/node, which Longshore itself needs',
      ['/srv/node', '/srv/node/bin'],
    ],
    ['it contains /srv/apps/longshore, which Longshore itself needs', ['/srv/apps']],
    [
      'it contains /srv/robot/conf/config.json, which Longshore itself needs',
      ['/srv/robot', '/srv/robot/conf'],
    ],
    ['Longshore is installed there', ['/srv/apps/longshore/data']],
    [
      "it is a receiver's data: /srv/received/longshore-receiver.json exists",
      ['/srv/received', '/srv/received/segments/1'],
    ],
  ] as const) {
    it(`says "${reason}" of ${roots.join(' ')}`, () => {
      for (const root of roots) assert.equal(reasonFor(root), reason, root)
    })
  }

  it('has no objection to what people sync', () => {
    for (const root of [
      '/data',
      '/dev/shm/capture',
      '/etcetera',
      '/home/pi/.viam/capture',
      '/home/pi/x',
      '/logs',
      '/mnt/usb',
      '/opt/robot/data',
      '/root/.viam/capture',
      '/run/media/pi/USB/logs',
      '/srv/accounts/robot/x',
      '/srv/apps/other',
      '/srv/received2',
      '/srv/robot/data',
      '/tmp/x',
      '/var/lib/foo',
      '/var/lib/foo/bar',
      '/var/tmp/x',
    ]) {
      assert.equal(reasonFor(root), undefined, root)
    }
  })
})
