import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BytePath } from '../../../src/base/byte-path.ts'
import {
  GroupCommit,
  NotDurableError,
  type VerifiedMessage,
} from '../../../src/receiver/ingest/group-commit.ts'
import type { Catalog, MessageEntry } from '../../../src/receiver/store/catalog.ts'
import { nullCatalog } from '../../../src/receiver/store/null-catalog.ts'
import { NullSegmentStore } from '../../../src/receiver/store/null-segment-store.ts'
import type { SegmentStore } from '../../../src/receiver/store/segment-store.ts'
import { plainLabels } from '../../support/message.ts'

const digest = 'aa'.repeat(32)

function verified(name: string, files = 1): VerifiedMessage {
  const record = Buffer.from(name)
  const entries = Array.from({ length: files }, (_, index) => ({
    file: {
      path: `/${name}/${index}` as BytePath,
      sizeBytes: 1,
      mtimeNs: 1n,
      ctimeNs: 1n,
      labels: plainLabels,
    },
    digest,
    offset: 3 + index,
  }))
  return {
    machine: 'robot',
    uploadId: digest,
    receivedAtMs: 1,
    files: entries,
    outcomes: entries.map(() => ({ status: 'stored', sizeBytes: 1, digest })),
    recordBytes: record.length,
    record: [record],
  }
}

interface Recording {
  /** What happened, in order. */
  readonly steps: string[]
  readonly entered: MessageEntry[][]
  readonly segments: SegmentStore
  readonly catalog: Catalog
  readonly commit: GroupCommit
}

/** A store and a catalog that write down what they are asked, and take a turn for it. */
function recording(
  more: { segments?: Partial<SegmentStore>; catalog?: Partial<Catalog> } = {},
): Recording {
  const steps: string[] = []
  const entered: MessageEntry[][] = []
  let end = 0
  const segments: SegmentStore = Object.assign(new NullSegmentStore(), {
    appendDurably: async (records: readonly (readonly Buffer[])[]) => {
      const names = records.map((record) => String(Buffer.concat([...record])))
      steps.push(`write ${names.join(' ')}`)
      await turn()
      steps.push('synced')
      return names.map((name) => {
        const offset = end
        end += name.length
        return { segmentId: 1, offset }
      })
    },
    ...more.segments,
  })
  const catalog: Catalog = {
    ...nullCatalog,
    enter: async (messages) => {
      steps.push(`enter ${messages.length}`)
      entered.push([...messages])
      await turn()
      return messages.map((message) => message.files.map(() => true))
    },
    ...more.catalog,
  }
  return { steps, entered, segments, catalog, commit: new GroupCommit(segments, catalog) }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('invariant 2: bytes are synced, then entered, and only then there is an answer.', async () => {
  const { steps, commit } = recording()
  await commit.commit(verified('a')).then(() => steps.push('answered'))
  assert.deepEqual(steps, ['write a', 'synced', 'enter 1', 'answered'])
})

test('Messages that finish together share one sync and one transaction.', async () => {
  const { steps, entered, commit } = recording()
  const first = ['a', 'bb', 'ccc'].map((name) => commit.commit(verified(name)))
  await turn()
  // These come while the first group is under way, and make the next.
  const second = ['d', 'e'].map((name) => commit.commit(verified(name)))
  await Promise.all([...first, ...second])
  assert.deepEqual(steps, ['write a bb ccc', 'synced', 'enter 3', 'write d e', 'synced', 'enter 2'])
  assert.deepEqual(
    entered
      .flat()
      .map(({ recordOffset, recordEnd, files }) => [recordOffset, recordEnd, files[0]?.offset]),
    [
      [0, 1, 3],
      [1, 3, 4],
      [3, 6, 6],
      [6, 7, 9],
      [7, 8, 10],
    ],
  )
})

test('A group is bounded in messages and in files.', async () => {
  const small = recording()
  await Promise.all(Array.from({ length: 100 }, () => small.commit.commit(verified('a'))))
  assert.deepEqual(
    small.entered.map(({ length }) => length),
    [64, 36],
  )
  const full = recording()
  await Promise.all(Array.from({ length: 20 }, () => full.commit.commit(verified('a', 1024))))
  assert.deepEqual(
    full.entered.map(({ length }) => length),
    [8, 8, 4],
  )
})

test('A message whose bytes stand already is entered without being written again.', async () => {
  const { steps, entered, commit } = recording()
  const placed = { ...verified('own'), record: { segmentId: 9, offset: 8 } }
  await Promise.all([commit.commit(verified('a')), commit.commit(placed)])
  assert.deepEqual(steps, ['write a', 'synced', 'enter 2'])
  const own = entered.flat().find(({ segmentId }) => segmentId === 9)
  assert.deepEqual([own?.recordOffset, own?.recordEnd, own?.files[0]?.offset], [8, 11, 11])
})

test('A failed sync refuses the messages that were in it, and no others.', async () => {
  let failures = 1
  const { entered, commit } = recording({
    segments: {
      appendDurably: async (records) => {
        if (failures-- > 0) throw new Error('EIO')
        return records.map(() => ({ segmentId: 2, offset: 0 }))
      },
    },
  })
  const placed = { ...verified('own'), record: { segmentId: 9, offset: 8 } }
  const answers = [verified('a'), placed, verified('b')].map((each) => commit.commit(each))
  const settled = await Promise.allSettled(answers)
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['rejected', 'fulfilled', 'rejected'],
  )
  for (const answer of [answers[0], answers[2]]) {
    await assert.rejects(answer!, (error) => {
      return error instanceof NotDurableError && !error.mayBeEntered && /EIO/.test(`${error.cause}`)
    })
  }
  assert.deepEqual(
    entered.flat().map(({ segmentId }) => segmentId),
    [9],
  )
  assert.equal((await commit.commit(verified('c')))[0]?.status, 'stored')
})

test('invariant 2: when the catalog fails nothing is stored, and the next group is tried as ever.', async () => {
  let failures = 1
  const { commit } = recording({
    catalog: {
      enter: async (messages) => {
        if (failures-- > 0) throw new Error('SQLITE_IOERR')
        return messages.map(() => [true])
      },
    },
  })
  const settled = await Promise.allSettled([
    commit.commit(verified('a')),
    commit.commit(verified('b')),
  ])
  for (const each of settled) {
    assert.ok(each.status === 'rejected' && each.reason instanceof NotDurableError)
    assert.ok(each.reason.mayBeEntered, 'the bytes must stay')
  }
  assert.equal((await commit.commit(verified('a')))[0]?.status, 'stored')
})

test('invariant 3: what the catalog knew is already_stored; what was rejected stays so.', async () => {
  const { commit } = recording({ catalog: { enter: async () => [[false, true]] } })
  const message = verified('a', 2)
  const rejected = { status: 'rejected', reason: 'digest_mismatch', sizeBytes: 7, digest } as const
  const outcomes = [rejected, message.outcomes[0]!, rejected, message.outcomes[1]!]
  assert.deepEqual(await commit.commit({ ...message, outcomes }), [
    rejected,
    { ...message.outcomes[0], status: 'already_stored' },
    rejected,
    message.outcomes[1],
  ])
})

test('A store that answers nonsense fails the group, not the process.', async () => {
  const { commit } = recording({ segments: { appendDurably: async () => [] } })
  await assert.rejects(commit.commit(verified('a')), NotDurableError)
  const broken = recording({ catalog: { enter: async () => [] } })
  await assert.rejects(broken.commit.commit(verified('a')), NotDurableError)
})

test('drain resolves when all that was handed over has its answer.', async () => {
  const { commit } = recording()
  await commit.drain()
  let answers = 0
  for (let index = 0; index < 70; index += 1) {
    void commit.commit(verified('a')).then(() => {
      answers += 1
    })
  }
  await commit.drain()
  assert.equal(answers, 70)
})
