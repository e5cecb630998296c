import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nextUpload, type UploadState } from '../../src/sync/next-upload.ts'

const MiB = 1024 * 1024
const both: UploadState = {
  bundleWaits: true,
  singleWaits: true,
  inFlight: 0,
  singles: 0,
  bytesInFlight: 0,
  uploads: 8,
  singleUploads: 2,
  isProbe: false,
  lastStarted: undefined,
}

describe('the next upload', () => {
  const table: readonly [string, Partial<UploadState>, 'single' | 'bundle' | undefined][] = [
    ['is none when nothing waits', { bundleWaits: false, singleWaits: false }, undefined],
    ['is none when all uploads are under way', { inFlight: 8 }, undefined],
    ['is a large file while its share has room', {}, 'single'],
    ['is a bundle when large files have their share', { singles: 2, inFlight: 2 }, 'bundle'],
    [
      'is none when only large files wait and have their share',
      { singles: 2, inFlight: 2, bundleWaits: false },
      undefined,
    ],
    ['is a bundle when only small files wait', { singleWaits: false }, 'bundle'],
    [
      'is no bundle that could exceed 32 MiB under way',
      { bytesInFlight: 31 * MiB + 1, singleWaits: false },
      undefined,
    ],
    ['is a bundle up to 32 MiB', { bytesInFlight: 31 * MiB, singleWaits: false }, 'bundle'],
    [
      'is no large file whose buffers could exceed 32 MiB',
      { bytesInFlight: 30 * MiB + 1 },
      'bundle',
    ],
    ['is a small one to find out whether the receiver is there', { isProbe: true }, 'bundle'],
    [
      'is a large one to find that out, if there are no others',
      { isProbe: true, bundleWaits: false },
      'single',
    ],
    [
      'is a small one after a large one, where there is one at a time',
      { uploads: 1, singleUploads: 1, lastStarted: 'single' },
      'bundle',
    ],
    [
      'is a large one after a small one, where there is one at a time',
      { uploads: 1, singleUploads: 1, lastStarted: 'bundle' },
      'single',
    ],
    [
      'is a large one after a large one, where no others wait',
      { uploads: 1, singleUploads: 1, lastStarted: 'single', bundleWaits: false },
      'single',
    ],
  ]
  for (const [what, state, kind] of table) {
    test(what, () => assert.equal(nextUpload({ ...both, ...state }), kind))
  }
})
