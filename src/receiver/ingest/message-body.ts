import type { Readable } from 'node:stream'

/*
 * Both functions count the declared bytes and nothing else. When a connection is cut, a stream of
 * node:http2 may emit `end` as if all had arrived, `aborted`, `error` or only `close`; and none of
 * them may be taken for a complete message.
 */

/** A large upload is handed on in batches of about this size, with as much again on its way. */
const batchBytes = 256 * 1024

/** The whole body, or undefined when it broke off before `contentLength` bytes. */
export function readWhole(body: Readable, contentLength: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const whole = Buffer.allocUnsafe(contentLength)
    let filled = 0
    body.on('error', ignoreBreak)
    body.on('close', () => resolve(undefined))
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
    if (body.destroyed) resolve(undefined)
    body.resume()
  })
}

/** The body in batches, as far as it arrives. Reads on while the caller works on a batch. */
export async function* inBatches(
  body: Readable,
  contentLength: number,
): AsyncGenerator<readonly Buffer[]> {
  let queue: Buffer[] = []
  let queuedBytes = 0
  let leftBytes = contentLength
  let broken = body.destroyed
  let wake: () => void = () => {}
  body.on('error', ignoreBreak)
  body.on('close', () => {
    broken = true
    wake()
  })
  body.on('data', (bytes: Buffer) => {
    queue.push(bytes)
    queuedBytes += bytes.length
    leftBytes -= bytes.length
    if (queuedBytes >= 2 * batchBytes) body.pause()
    if (queuedBytes >= batchBytes || leftBytes <= 0) wake()
  })
  body.resume()
  while (true) {
    while (queuedBytes < batchBytes && leftBytes > 0 && !broken) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    if (queuedBytes === 0) return
    const batch = queue
    queue = []
    queuedBytes = 0
    body.resume()
    yield batch
  }
}

/** The byte count tells what the error means: the message is not complete. */
function ignoreBreak(): void {}
