import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FolderRights, mayUnlink } from '../../src/scan/removable.ts'

const me = 1000n
const other = 1001n
const folder: FolderRights = { writable: true, sticky: false, ownerUid: other }

describe('a file may be removed', () => {
  const table: readonly [string, Partial<FolderRights>, bigint, bigint, boolean][] = [
    ['from a folder that one may write to', {}, other, me, true],
    ['not from a folder that one may not write to', { writable: false }, me, me, false],
    ['not even by root from one that is not writable at all', { writable: false }, 0n, 0n, false],
    ['not when it is somebody else’s in a sticky folder', { sticky: true }, other, me, false],
    ['when it is one’s own in a sticky folder', { sticky: true }, me, me, true],
    ['when the sticky folder is one’s own', { sticky: true, ownerUid: me }, other, me, true],
    ['by root from a sticky folder', { sticky: true }, other, 0n, true],
    [
      'not from a sticky folder of one’s own that is read-only',
      { sticky: true, ownerUid: me, writable: false },
      me,
      me,
      false,
    ],
  ]
  for (const [when, rights, fileUid, ownUid, may] of table) {
    test(when, () => assert.equal(mayUnlink({ ...folder, ...rights }, fileUid, ownUid), may))
  }
})
