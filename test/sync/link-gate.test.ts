import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LinkGate } from '../../src/sync/link-gate.ts'
import { connectionLost, refused } from '../support/fake-transport.ts'

const shut = (
  gate: LinkGate,
  {
    round = gate.round,
    waitMs,
    nowMs = 0,
    failure = connectionLost,
  }: {
    round?: number
    waitMs?: number
    nowMs?: number
    failure?: typeof connectionLost
  } = {},
) => gate.shut({ failure, round, waitMs, nowMs, random: 1 })

describe('the gate of the link', () => {
  test('is open at first', () => {
    const gate = new LinkGate()
    assert.equal(gate.isOpen, true)
    assert.equal(gate.shutForMs(0), 0)
    assert.equal(gate.lastFailure, undefined)
  })

  test('is shut for longer with each failure, a minute at most', () => {
    const gate = new LinkGate()
    let nowMs = 0
    const waits: number[] = []
    for (let n = 0; n < 10; n += 1) {
      shut(gate, { nowMs })
      waits.push(gate.shutForMs(nowMs))
      nowMs += gate.shutForMs(nowMs)
      assert.equal(gate.shutForMs(nowMs), 0)
      assert.equal(gate.isOpen, false, 'only a probe may go ahead')
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  })

  test('counts uploads that were under way together once, however late they fail', () => {
    const gate = new LinkGate()
    const { round } = gate
    for (let n = 0; n < 8; n += 1) shut(gate, { round, nowMs: n * 60_000 })
    assert.equal(gate.failures, 1)
    assert.equal(gate.shutForMs(7 * 60_000), 0, 'the first one was waited for long ago')
    shut(gate, { nowMs: 600_000 })
    assert.equal(gate.failures, 2)
  })

  test('counts a storm of refusals with a wish once, too', () => {
    const gate = new LinkGate()
    const { round } = gate
    const failure = refused(503)
    for (let n = 0; n < 8; n += 1) shut(gate, { round, waitMs: 5000, failure })
    assert.equal(gate.failures, 1)
    assert.equal(gate.shutForMs(0), 5000)
  })

  test('waits as long as it was asked to', () => {
    const gate = new LinkGate()
    shut(gate, { waitMs: 120_000, failure: refused(503) })
    assert.equal(gate.shutForMs(0), 120_000)
  })

  test('backs off all the same when it was asked to come back at once', () => {
    const gate = new LinkGate()
    shut(gate, { waitMs: 0 })
    assert.equal(gate.shutForMs(0), 500)
    shut(gate, { waitMs: 1, nowMs: 500 })
    assert.equal(gate.shutForMs(500), 1000)
  })

  test('waits an hour at most, whatever it was asked for: a timer of years fires at once', () => {
    const gate = new LinkGate()
    shut(gate, { waitMs: 1e12 })
    assert.equal(gate.shutForMs(0), 3_600_000)
  })

  test('is not shut for less by a later failure', () => {
    const gate = new LinkGate()
    const { round } = gate
    shut(gate, { round, waitMs: 900_000, failure: refused(401) })
    shut(gate, { round, waitMs: 1000, failure: refused(503) })
    shut(gate, { round })
    assert.equal(gate.shutForMs(0), 900_000)
  })

  test('is open again once the receiver has answered', () => {
    const gate = new LinkGate()
    shut(gate)
    gate.open()
    assert.equal(gate.isOpen, true)
    assert.equal(gate.shutForMs(0), 0)
    assert.equal(gate.failures, 0)
    assert.equal(gate.lastFailure, undefined)
  })

  test('stays open when an upload from before the answer fails after it', () => {
    const gate = new LinkGate()
    const { round } = gate
    shut(gate, { round })
    gate.open()
    shut(gate, { round, nowMs: 1000 })
    assert.equal(gate.isOpen, true)
    assert.equal(gate.lastFailure, undefined)
  })

  test('obeys a wish of the receiver’s that comes late', () => {
    const gate = new LinkGate()
    const { round } = gate
    shut(gate, { round })
    gate.open()
    shut(gate, { round, waitMs: 9000, failure: refused(503) })
    assert.equal(gate.isOpen, false)
    assert.equal(gate.shutForMs(0), 9000)
    assert.equal(gate.lastFailure?.status, 503)
  })
})
