import type { Readable } from 'node:stream'

/*
 * Both functions count the declared bytes and nothing else. When a connection is cut, a stream of
 * node:http2 may emit `end` as if all had arrived, `aborted`, `error` or only `close`; and none of
 * them may be taken for a complete message.
 */

/** A large upload is handed on in batches of about this size, with as much again on its way. */
const batchBytes = 256 * 1024
/** Node gives what one read of the socket brought: at most 64 KiB. */
const slackBytes = 64 * 1024

/** The whole body, or undefined when it broke off before `contentLength` bytes. */
export function readWhole(body: Readable, contentLength: number): Promise<Buffer | undefined> {
  if (contentLength === 0) return Promise.resolve(Buffer.alloc(0))
  return new Promise((resolve) => {
    const whole = Buffer.allocUnsafe(contentLength)
    let filled = 0
    const onBreak = () => resolve(undefined)
    body.on('error', ignoreBreak)
    body.on('end', onBreak)
    body.on('close', onBreak)
    body.on('data', (bytes: Buffer) => {
      if (filled + bytes.length > contentLength) {
        body.destroy()
        return
      }
      bytes.copy(whole, filled)
      filled += bytes.length
      if (filled === contentLength) resolve(whole)
    })
    // A stream that was reset before anybody listened has had its 'close' already.
    if (body.destroyed) onBreak()
    body.resume()
  })
}

/**
 * The body in batches, as far as it arrives. Reads on while the caller works on a batch, whose bytes
 * are the caller's until it asks for the next. Copied together from the small pieces that arrive: they
 * would be garbage by the gigabyte, and hashing and writing want long ones.
 */
export async function* inBatches(body: Readable, contentLength: number): AsyncGenerator<Buffer> {
  const buffers = [newBatch(), newBatch()] as const
  let filling: Buffer = buffers[0]
  let filled = 0
  let leftBytes = contentLength
  let broken = body.destroyed
  let wake: () => void = () => {}
  const onBreak = () => {
    broken = true
    wake()
  }
  /** Of the last piece that a broken stream held, what found no room. */
  let over: Buffer | undefined
  /** What had arrived before a break waits in the stream still, which emits nothing any more. */
  const takeRest = () => {
    body.off('data', onData)
    while (filled < batchBytes && leftBytes > 0) {
      const bytes = over ?? (body.read() as Buffer | null)
      over = undefined
      if (bytes === null) return
      const taken = bytes.copy(filling, filled)
      filled += taken
      leftBytes -= taken
      if (taken < bytes.length) over = bytes.subarray(taken)
    }
  }
  const onData = (bytes: Buffer) => {
    const room = filling.length - filled
    if (bytes.length > room) {
      body.pause()
      // The rest waits in front of what the stream still holds.
      body.unshift(bytes.subarray(room))
    }
    filled += bytes.copy(filling, filled)
    leftBytes -= Math.min(bytes.length, room)
    if (filled >= batchBytes) body.pause()
    if (filled >= batchBytes || leftBytes <= 0) wake()
  }
  body.on('error', ignoreBreak)
  body.on('end', onBreak)
  body.on('close', onBreak)
  // A broken stream throws away what it still holds as soon as it flows.
  if (!broken) {
    body.on('data', onData)
    body.resume()
  }
  try {
    while (true) {
      while (filled < batchBytes && leftBytes > 0 && !broken) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      if (broken && leftBytes > 0) takeRest()
      if (filled === 0) return
      const batch = filling.subarray(0, filled)
      filling = filling === buffers[0] ? buffers[1] : buffers[0]
      filled = 0
      if (!broken) body.resume()
      yield batch
    }
  } finally {
    // The caller may have seen enough. What still arrives must not pile up here.
    body.off('end', onBreak)
    body.off('close', onBreak)
    body.off('data', onData)
  }
}

function newBatch(): Buffer {
  return Buffer.allocUnsafeSlow(batchBytes + slackBytes)
}

/** The byte count tells what the error means: the message is not complete. */
function ignoreBreak(): void {}
