import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import type { BytePath } from '../../src/base/byte-path.ts'
import type { Outcome } from '../../src/wire/outcome.ts'
import {
  type FileResult,
  type Progress,
  packProgress,
  packShard,
  packShardResult,
  type Shard,
  type ShardResult,
  unpackProgress,
  unpackShard,
  unpackShardResult,
} from '../../src/wire/thread-messages.ts'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import { Random } from './random.ts'

const sizes = [0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, 2 ** 50, 2 ** 53 - 1]
const times = [
  0n,
  1n,
  -1n,
  -(2n ** 63n),
  2n ** 63n - 1n,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  1_700_000_000_123_456_789n,
]
const inodes = [0n, 5n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]

function randomPath(random: Random): BytePath {
  return `/${random.bytes(random.pick([1, 20, 400])).toString('latin1')}` as BytePath
}

function randomShard(random: Random): Shard {
  return {
    id: random.pick(sizes),
    kind: random.pick(['bundle', 'single']),
    files: random.list(20, () => ({
      path: randomPath(random),
      root: randomPath(random),
      kind: random.pick(['capture', 'arbitrary']),
      sizeBytes: random.chance(0.5) ? random.pick(sizes) : random.size(2 ** 53 - 1),
      mtimeNs: random.chance(0.5) ? random.pick(times) : random.int64(),
      device: random.pick(inodes),
      inode: random.pick(inodes),
    })),
  }
}

function randomOutcome(random: Random): Outcome {
  const rest = { sizeBytes: random.pick(sizes), digest: random.bytes(32).toString('hex') }
  return random.pick<Outcome>([
    { status: 'stored', ...rest },
    { status: 'already_stored', ...rest },
    { status: 'rejected', reason: 'digest_mismatch', ...rest },
    { status: 'rejected', reason: 'name_not_allowed', ...rest },
  ])
}

function randomResult(random: Random): FileResult {
  return random.pick<FileResult>([
    { status: 'changed' },
    { status: 'gone' },
    { status: 'not_sent' },
    { status: 'unreadable', errno: random.text(8) },
    {
      status: 'answered',
      outcome: randomOutcome(random),
      digest: random.bytes(32).toString('hex'),
      identity: {
        device: random.pick(inodes),
        inode: random.pick(inodes),
        sizeBytes: random.pick(sizes),
        mtimeNs: random.pick(times),
        ctimeNs: random.int64(),
      },
    },
  ])
}

const failures: readonly (TransferFailure | undefined)[] = [
  undefined,
  { kind: 'connection_lost', detail: '' },
  { kind: 'stalled', detail: 'größe\n\0' },
  {
    kind: 'refused',
    detail: 'x'.repeat(1000),
    status: 507,
    problemCode: 'storage_full',
    retryAfterMs: 60_000,
  },
]

/** A frame must not drag a pool of msgpackr's along when it is transferred. */
function assertOwnBuffer(frame: Uint8Array): void {
  assert.equal(frame.byteOffset, 0)
  assert.equal(frame.byteLength, frame.buffer.byteLength)
}

/** What arrives at the other end of a port. */
function throughPort(frame: Uint8Array<ArrayBuffer>): Uint8Array {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(frame, [frame.buffer])
  const received = receiveMessageOnPort(port2)?.message as Uint8Array
  assert.equal(frame.byteLength, 0, 'transferred, not copied')
  port1.close()
  return received
}

describe('a message between threads', () => {
  test('that is a shard comes back as it was', () => {
    const random = new Random(13)
    for (let round = 0; round < 500; round += 1) {
      const shard = randomShard(random)
      const frame = packShard(shard)
      assertOwnBuffer(frame)
      assert.deepEqual(unpackShard(throughPort(frame)), shard)
    }
  })

  test('that is a result comes back as it was, with or without a failure', () => {
    const random = new Random(14)
    for (let round = 0; round < 500; round += 1) {
      const result: ShardResult = {
        files: random.list(20, () => randomResult(random)),
        failure: random.pick(failures),
      }
      const frame = packShardResult(result)
      assertOwnBuffer(frame)
      assert.deepEqual(unpackShardResult(throughPort(frame)), result)
    }
  })

  test('that is progress comes back as it was', () => {
    const random = new Random(15)
    for (let round = 0; round < 200; round += 1) {
      const progress: Progress = random.list(70, () => ({
        shardId: random.below(2 ** 31),
        sentBytes: random.pick(sizes),
        ...(random.below(2) === 1 && { fromByte: 1 + random.below(2 ** 31) }),
      }))
      const frame = packProgress(progress)
      assertOwnBuffer(frame)
      assert.deepEqual(unpackProgress(throughPort(frame)), progress)
    }
  })

  test('keeps what was packed before it', () => {
    const first = packProgress([{ shardId: 1, sentBytes: 1 }])
    for (let round = 0; round < 10_000; round += 1) packProgress([{ shardId: 9, sentBytes: round }])
    assert.deepEqual(unpackProgress(first), [{ shardId: 1, sentBytes: 1 }])
  })
})
