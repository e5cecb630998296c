import assert from 'node:assert/strict'
import { verifierFor } from '../../src/receiver/ingest/verifier.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { readForm } from '../wire/form-recorder.ts'
import type { Random } from '../wire/random.ts'
import { readPieces } from '../wire/recorder.ts'
import { type FuzzTarget, outcomeOf } from './fuzz-target.ts'
import { type FuzzMessage, randomMessage, splits } from './messages.ts'

interface Reading {
  /** All that was read, as one text; or what was wrong. */
  readonly text: string
  readonly outcome: string
}

type Read = (message: FuzzMessage, pieces: Iterable<Buffer>) => Reading

/** However a message is cut, the same is read from it, or the same is wrong with it. */
function target(name: string, read: Read): FuzzTarget {
  const attempt: Read = (message, pieces) => {
    try {
      return read(message, pieces)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      const text = `${error.code}: ${error.message}`
      return { text, outcome: outcomeOf(text) }
    }
  }
  const run = (random: Random): string => {
    const message = randomMessage(random)
    const whole = attempt(message, [Buffer.from(message.body)])
    for (const pieces of splits(random, message.body)) {
      const sizes = pieces.map(({ length }) => length).join()
      assert.equal(attempt(message, pieces).text, whole.text, `in pieces of ${sizes}`)
    }
    return whole.outcome
  }
  return { name, run }
}

function isComplete(complete: boolean): string {
  return complete ? 'complete' : 'incomplete'
}

export const multipart = target('multipart', ({ contentType, intact }, pieces) => {
  const found = readPieces(contentType, pieces)
  const { complete, uploadId, endedFiles, contents, offsets, digests } = found
  if (intact !== undefined) {
    assert.ok(complete)
    assert.equal(uploadId, intact.uploadId)
    assert.deepEqual(digests, intact.digests)
    contents.forEach((bytes, index) => {
      const offset = intact.offsets[index]!
      assert.ok(bytes.equals(intact.body.subarray(offset, offset + bytes.length)))
    })
  }
  const bytes = contents.map((content) => content.toString('latin1'))
  const text = JSON.stringify([complete, uploadId, endedFiles, bytes, offsets, digests])
  return { text, outcome: `${isComplete(complete)}, ${endedFiles} files` }
})

export const form = target('form', ({ contentType }, pieces) => {
  const { complete, parts } = readForm(contentType, pieces)
  const text = JSON.stringify([
    complete,
    parts.map(({ header, bytes, offset }) => [header, bytes.toString('latin1'), offset]),
  ])
  return { text, outcome: `${isComplete(complete)}, ${parts.length} parts` }
})

/** All that a receiver makes of a body, whatever its type is. */
export const verdict = target('verdict', ({ contentType }, pieces) => {
  const verifier = verifierFor({ contentType, contentDisposition: '', uploadId: undefined })
  for (const piece of pieces) {
    verifier.push(piece)
    piece.fill(0xaa)
  }
  const found = verifier.finish()
  const text = JSON.stringify(found, (_key, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  )
  const statuses = found.outcomes.map(({ status, reason }) => reason ?? status)
  return { text, outcome: [...new Set(statuses)].sort().join(' and ') }
})
