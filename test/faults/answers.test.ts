import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, beforeEach, describe, test } from 'node:test'
import {
  actionByClass,
  actionByProblem,
  actionByStatus,
  type FailureAction,
} from '../../src/sync/failure-table.ts'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { type Answer, problem } from '../support/misbehaviour.ts'
import { Device } from './device.ts'

/*
 * Every row of the tables of docs/reliability.md that a receiver, or something in front of it, can
 * bring about with an answer: what the daemon does then, and that every file arrives once that is over.
 */

const longMs = 17 * 60_000
let bad: MisbehavingReceiver
let device: Device

before(async () => {
  bad = await MisbehavingReceiver.start()
  device = new Device(bad)
})
after(async () => {
  await device.close()
  await bad.close()
})
beforeEach(() => {
  // The same reason is not told again within ten minutes.
  device.clock.skip(longMs)
  device.log.lines.length = 0
})

/** What must follow when this is answered, and that all is well in the end. */
const provoke: Readonly<
  Record<Exclude<FailureAction, 'put back'>, (how: Answer) => Promise<void>>
> = {
  'hold all': async (how) => {
    const files = device.files([10, 2000])
    bad.next(how)
    await held()
    assert.ok(files.every(existsSync))
    const asked = bad.seen.length
    await device.untilArrived(files)
    assert.equal(bad.seen[asked]?.method, 'GET', 'first it is asked who it is')
    nothingAgainstFiles()
  },
  'hold all, apart': async (how) => {
    const files = device.files([10, 2000])
    const before = bad.uploads.length
    bad.next(how)
    await held()
    await device.untilArrived(files)
    assert.equal(bad.uploads.length, before + 3, 'once together, then each alone')
    nothingAgainstFiles()
  },
  'hold all, report': async (how) => {
    const files = device.files([10, 2000])
    const before = bad.uploads.length
    bad.next(how)
    bad.nextOf('GET', how)
    await held()
    const [line] = device.logged('uploads_held')
    assert.ok(Number(/"wait_s":([\d.]+)/.exec(line!)?.[1]) >= 900, line)
    device.clock.skip(890_000)
    await device.session.scan()
    assert.equal(bad.uploads.length, before + 1, 'nothing is sent to somebody who refuses us')
    device.clock.skip(longMs)
    await device.untilArrived(files)
    nothingAgainstFiles()
  },
  'file later': async (how) => {
    const files = device.files([10, 2000])
    bad.every(how)
    await device.until('both are held', () => device.logged('file_held').length >= 2)
    const [other] = device.files([30])
    bad.every(undefined)
    await device.untilArrived([...files, other!])
    assert.deepEqual(device.logged('file_quarantined'), [])
    assert.deepEqual(device.logged('uploads_held'), [])
  },
  quarantine: async (how) => {
    const [file] = device.files([10])
    bad.every(how)
    await device.until('it is set aside', () => device.logged('file_quarantined').length === 1)
    bad.every(undefined)
    assert.equal(existsSync(file!), false)
    assert.equal(device.logged('file_held').length, 2, 'tried three times')
    await device.untilArrived(device.files([30]))
    assert.equal(
      bad.files.some((each) => each.file.path === file),
      false,
    )
    assert.deepEqual(device.logged('uploads_held'), [])
  },
}

async function held(): Promise<void> {
  await device.until('everything is held', () => device.logged('uploads_held').length > 0, 100)
}

function nothingAgainstFiles(): void {
  assert.deepEqual(device.logged('file_held'), [])
  assert.deepEqual(device.logged('file_quarantined'), [])
}

function follows(action: FailureAction, how: Answer): Promise<void> {
  assert.ok(action !== 'put back')
  return provoke[action](how)
}

const page = (status: number): Answer => ({
  does: 'answer',
  status,
  headers: { 'content-type': 'text/html' },
  body: '<html><body>No.</body></html>',
})

const statusOf: Readonly<Record<string, number>> = {
  credentials_rejected: 401,
  not_found: 404,
  method_not_allowed: 405,
  mismatching_upload_offset: 409,
  upload_unfinished: 409,
  length_required: 411,
  too_large: 413,
  bad_content_type: 415,
  too_many_attempts: 429,
  internal: 500,
  data_folder_unusable: 503,
  not_durable: 507,
  storage_full: 507,
}

describe('a problem document of the receiver:', () => {
  const registered = /^(mismatching_upload_offset|inconsistent_upload_length|completed_upload)$/
  for (const [code, action] of Object.entries(actionByProblem)) {
    test(`${code} leads to ${action}`, () => {
      const how = problem(statusOf[code] ?? 400, code)
      const type = `https://iana.org/assignments/http-problem-types#${code.replaceAll('_', '-')}`
      const body = registered.test(code) ? JSON.stringify({ type }) : how.body!
      return follows(action, { ...how, body })
    })
  }
})

describe('an answer of somebody else:', () => {
  for (const [status, action] of Object.entries(actionByStatus)) {
    test(`${status} leads to ${action}`, () => follows(action, page(Number(status))))
  }
  // HTTP has no final answer below 200, and Node.js sends none above 599: those two are tested without it.
  for (const [status, name] of [
    [206, '2xx'],
    [302, '3xx'],
    [418, '4xx'],
    [502, '5xx'],
    [599, '5xx'],
  ] as const) {
    const action = actionByClass[name]!
    test(`${status} leads to ${action}`, () => follows(action, page(status)))
  }
  for (const status of [400, 409, 422]) {
    test(`${status} sets no file aside`, () => follows('file later', page(status)))
  }
})

describe('a refusal of everything that is for one file only:', () => {
  for (const status of [302, 403, 404]) {
    test(`${status} has that file wait, and nothing else`, async () => {
      const [file] = device.files([10])
      bad.every(page(status))
      await device.until('it is held', () => device.logged('file_held').length >= 1)
      const others = device.files([20, 30])
      bad.every(undefined)
      await device.untilArrived([file!, ...others])
      assert.deepEqual(device.logged('file_quarantined'), [])
    })
  }
})

describe('Retry-After', () => {
  for (const [what, value] of [
    ['seconds', () => '600'],
    ['a date', () => new Date(Date.now() + 600_000).toUTCString()],
  ] as const) {
    test(`as ${what} is obeyed`, async () => {
      const files = device.files([10, 2000])
      bad.next(problem(503, 'data_folder_unusable', { 'retry-after': value() }))
      await held()
      const seen = bad.seen.length
      device.clock.skip(590_000)
      await device.session.scan()
      await new Promise((resolve) => setTimeout(resolve, 50))
      assert.equal(bad.seen.length, seen, 'not even a question')
      device.clock.skip(75_000)
      await device.untilArrived(files)
    })
  }

  test('of an hour ago, or that is none, is no reason to hammer the receiver', async () => {
    for (const value of [new Date(Date.now() - 3_600_000).toUTCString(), 'soon', '-5', '']) {
      const files = device.files([10])
      bad.next(problem(429, 'busy', { 'retry-after': value }))
      const before = bad.seen.length
      await device.untilArrived(files)
      assert.equal(bad.seen.length - before, 3, 'the refusal, a question, and the file')
    }
  })
})

describe('an answer about the files', () => {
  for (const [what, change] of [
    ['has too few outcomes', (truth) => truth.slice(1)],
    ['has too many outcomes', (truth) => [...truth, ...truth]],
  ] satisfies [string, (truth: readonly never[]) => readonly never[]][]) {
    test(`that ${what} holds everything, the files apart, and removes nothing`, async () => {
      const files = device.files([10, 2000])
      bad.next({ does: 'outcomes', change: change as (truth: readonly unknown[]) => never })
      await held()
      assert.ok(files.every(existsSync))
      await device.untilArrived(files)
    })
  }

  test('invariant 1: that names another hash or size removes nothing; that file later', async () => {
    for (const wrong of [{ digest: '0'.repeat(64) }, { sizeBytes: 1 }]) {
      device.log.lines.length = 0
      const files = device.files([10, 2000])
      bad.next({
        does: 'outcomes',
        change: (truth) => truth.map((each) => ({ ...each, ...wrong })),
      })
      await device.until('both are held', () => device.logged('file_held').length >= 2, 0)
      assert.ok(files.every(existsSync))
      await device.untilArrived(files)
    }
  })

  test('that says they arrived damaged, three times, has them wait and is reported', async () => {
    const [file] = device.files([10])
    const damaged = { status: 'rejected', reason: 'digest_mismatch' } as const
    const lie = {
      does: 'outcomes',
      change: (truth: readonly { readonly sizeBytes: number; readonly digest: string }[]) =>
        truth.map(({ sizeBytes, digest }) => ({ ...damaged, sizeBytes, digest })),
    } as const
    bad.next(lie, lie, lie)
    await device.untilArrived([file!])
    const lines = device.logged('file_held')
    assert.equal(lines.length, 2, 'the 1st and the 2nd time; the 4th would be the next')
    assert.match(lines[1]!, /fault of memory, disk or link/)
    assert.deepEqual(device.logged('file_quarantined'), [])
  })

  test('that is no answer of ours holds everything, and removes nothing', async () => {
    const files = device.files([10, 2000])
    bad.next({ ...page(200), headers: { 'content-type': 'application/vnd.msgpack' } })
    await held()
    assert.ok(files.every(existsSync))
    await device.untilArrived(files)
  })
})
