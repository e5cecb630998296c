import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LinkGate } from '../../src/sync/link-gate.ts'
import type { TransferFailure } from '../../src/wire/transfer-failure.ts'
import { connectionLost, refused } from '../support/fake-transport.ts'

const shut = (
  gate: LinkGate,
  {
    round = gate.round,
    waitMs,
    nowMs = 0,
    failure = connectionLost,
    lasting = false,
    random = 1,
  }: {
    round?: number
    waitMs?: number
    nowMs?: number
    failure?: typeof connectionLost
    lasting?: boolean
    random?: number
  } = {},
) => gate.shut({ failure, round, waitMs, lasting, nowMs, random })

const unreachable: TransferFailure = { kind: 'unreachable', detail: 'no route' }

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
      assert.equal(gate.isOpen, false, 'only one upload may go ahead')
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
    assert.equal(gate.shutForMs(0), 5500)
  })

  test('waits as long as it was asked to', () => {
    const gate = new LinkGate()
    shut(gate, { waitMs: 120_000, failure: refused(503), random: 0 })
    assert.equal(gate.shutForMs(0), 120_000)
  })

  test('waits up to a tenth longer than it was asked to, or all robots come back together', () => {
    const gate = new LinkGate()
    shut(gate, { waitMs: 120_000, failure: refused(503), random: 0.5 })
    assert.equal(gate.shutForMs(0), 126_000)
  })

  test('waits a quarter of an hour for what a person has to mend', () => {
    const gate = new LinkGate()
    shut(gate, { lasting: true, failure: refused(401), random: 0 })
    assert.equal(gate.shutForMs(0), 900_000)
  })

  test('looks every 15 s at least whether anybody answers', () => {
    const gate = new LinkGate()
    let nowMs = 0
    const waits: number[] = []
    for (let n = 0; n < 8; n += 1) {
      shut(gate, { nowMs, failure: unreachable })
      waits.push(gate.shutForMs(nowMs))
      nowMs += gate.shutForMs(nowMs)
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000])
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
    shut(gate, { round, lasting: true, failure: refused(401), random: 0 })
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
    assert.equal(gate.shutForMs(0), 9900)
    assert.equal(gate.lastFailure?.status, 503)
  })

  test('has the receiver asked before anything is sent, after each failure', () => {
    const gate = new LinkGate()
    assert.equal(gate.mustAsk, false)
    shut(gate)
    assert.equal(gate.mustAsk, true)
    gate.answersAgain()
    assert.equal(gate.mustAsk, false)
    assert.equal(gate.isOpen, false, 'one upload is tried first')
    shut(gate, { round: 0 })
    assert.equal(gate.mustAsk, false, 'an upload from before says nothing new')
    shut(gate)
    assert.equal(gate.mustAsk, true)
    gate.open()
    assert.equal(gate.mustAsk, false)
  })
})

describe('a change of the network', () => {
  /** Shut for a minute since 0. */
  function cutOff(failure: TransferFailure = connectionLost): LinkGate {
    const gate = new LinkGate()
    for (let n = 0; n < 8; n += 1) shut(gate, { failure })
    assert.ok(gate.shutForMs(0) >= 15_000)
    return gate
  }

  test('ends the wait within a second, and keeps the count', () => {
    const gate = cutOff()
    assert.equal(gate.knock(0, 0.25), true)
    assert.equal(gate.shutForMs(0), 250)
    assert.equal(gate.failures, 8)
    shut(gate, { nowMs: 250 })
    assert.equal(gate.shutForMs(250), 60_000, 'and the next wait is as long as ever')
  })

  test('that comes again and again has the receiver tried every 10 s at most', () => {
    const gate = cutOff()
    let tries = 0
    for (let nowMs = 0; nowMs < 120_000; nowMs += 1000) {
      gate.knock(nowMs, 0)
      if (gate.shutForMs(nowMs) > 0) continue
      tries += 1
      shut(gate, { nowMs })
    }
    assert.equal(tries, 12)
  })

  test('that comes soon after another is not lost, only put off', () => {
    const gate = cutOff()
    gate.knock(0, 0)
    shut(gate, { nowMs: 0 })
    assert.equal(gate.knock(3000, 0), true)
    assert.equal(gate.shutForMs(3000), 7000)
    assert.equal(gate.knock(4000, 0), false)
    assert.equal(gate.shutForMs(4000), 6000)
  })

  test('does not lengthen a wait', () => {
    const gate = new LinkGate()
    shut(gate)
    assert.equal(gate.knock(0, 1), false)
    assert.equal(gate.shutForMs(0), 500)
  })

  test('does not matter where the receiver, or a person, has to do something', () => {
    for (const failure of [
      refused(503),
      refused(401),
      { kind: 'not_trusted', detail: '' } as const,
    ]) {
      const gate = new LinkGate()
      shut(gate, { failure, waitMs: 120_000, random: 0 })
      assert.equal(gate.knock(0, 0), false)
      assert.equal(gate.shutForMs(0), 120_000)
    }
    assert.equal(new LinkGate().knock(0, 0), false)
  })

  test('does not shorten what the receiver asked for when the connection broke as well', () => {
    const gate = new LinkGate()
    const { round } = gate
    shut(gate, { round, waitMs: 120_000, failure: refused(503), random: 0 })
    shut(gate, { round, failure: connectionLost })
    assert.equal(gate.knock(0, 0), false)
  })
})
