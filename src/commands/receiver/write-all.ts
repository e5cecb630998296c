import { once } from 'node:events'
import { Writable } from 'node:stream'
import type { Terminal } from '../../telemetry/progress-view.ts'

const chunkChars = 64 * 1024

/** Writes many lines without holding them all: waits while the other end of a pipe is slow. */
export async function writeAll(to: Terminal, lines: Iterable<string>): Promise<void> {
  let chunk = ''
  for (const line of lines) {
    chunk += line
    if (chunk.length < chunkChars) continue
    const hasRoom = to.write(chunk)
    chunk = ''
    if (hasRoom === false && to instanceof Writable) await once(to, 'drain')
  }
  if (chunk !== '') to.write(chunk)
}
