import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  nextWindowBytes,
  streamWindowBytes,
  windows,
} from '../../../src/receiver/server/window-size.ts'

const { startBytes, maxBytes, beforeAuthenticationBytes } = windows
const unlimited = Number.MAX_SAFE_INTEGER

function next(windowBytes: number, bytesInRoundTrip: number, freeBytes = unlimited): number {
  return nextWindowBytes({ windowBytes, streams: 2, bytesInRoundTrip, freeBytes })
}

test('A window that is filled within a round trip doubles.', () => {
  assert.equal(next(startBytes, startBytes), startBytes * 2)
  assert.equal(next(startBytes * 4, startBytes * 4), startBytes * 8)
  assert.equal(next(startBytes, startBytes * 10), startBytes * 2)
})

test('A window that is not filled stays.', () => {
  for (const share of [0, 0.5, 0.74]) assert.equal(next(startBytes, startBytes * share), startBytes)
})

test('However many streams there are, they can fill the window enough for it to grow, up to its maximum.', () => {
  for (let streams = 1; streams <= 128; streams += 1) {
    let windowBytes: number = startBytes
    for (let roundTrip = 0; roundTrip < 10; roundTrip += 1) {
      const ofStreamsBytes = streams * streamWindowBytes(windowBytes, streams)
      const bytesInRoundTrip = Math.min(windowBytes, ofStreamsBytes)
      windowBytes = nextWindowBytes({
        windowBytes,
        streams,
        bytesInRoundTrip,
        freeBytes: unlimited,
      })
    }
    assert.equal(windowBytes, maxBytes, `${streams} streams`)
  }
})

test('A window whose streams have all ended by now stays sound.', () => {
  const state = { windowBytes: startBytes, streams: 0, freeBytes: unlimited }
  assert.equal(nextWindowBytes({ ...state, bytesInRoundTrip: 0 }), startBytes)
  assert.equal(nextWindowBytes({ ...state, bytesInRoundTrip: startBytes }), startBytes * 2)
})

test('A window grows to twice what the link carried at most, and never beyond the maximum.', () => {
  assert.equal(next(startBytes, startBytes * 0.8), Math.floor(startBytes * 1.6))
  assert.equal(next(maxBytes * 0.75, maxBytes * 0.75), maxBytes)
  assert.equal(next(maxBytes, maxBytes * 2), maxBytes)
})

test('A window never grows beyond what is free, and never shrinks for that.', () => {
  assert.equal(next(startBytes, startBytes, 1000), startBytes + 1000)
  assert.equal(next(startBytes, startBytes, 0), startBytes)
})

test('A window that started small can grow as any other.', () => {
  assert.equal(
    next(beforeAuthenticationBytes, beforeAuthenticationBytes),
    beforeAuthenticationBytes * 2,
  )
})

test('Streams share the window: all together may fill it at least once, and less than twice.', () => {
  for (let streams = 1; streams <= 64; streams += 1) {
    const each = streamWindowBytes(maxBytes, streams)
    assert.ok(each <= maxBytes / 2)
    assert.ok(
      each * Math.max(2, streams) >= maxBytes && each * streams < maxBytes * 2,
      `${streams}`,
    )
  }
})

test('No stream gets less than what HTTP/2 starts with.', () => {
  assert.equal(streamWindowBytes(startBytes, 128), beforeAuthenticationBytes)
  assert.equal(streamWindowBytes(beforeAuthenticationBytes, 1), beforeAuthenticationBytes)
  assert.equal(streamWindowBytes(startBytes, 0), startBytes / 2)
})
