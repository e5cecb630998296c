import { bytePath } from '../../src/base/byte-path.ts'
import { type BuiltMessage, buildMessage } from '../support/message.ts'

/** The message that docs/protocol.md shows byte for byte. */
export function exampleMessage(): BuiltMessage {
  const labels = { root: bytePath('/data'), contentType: 'text/plain', tags: ['demo'] }
  const timeNs = 1_700_000_000_000_000_000n
  return buildMessage([
    { path: '/data/a.txt', bytes: 'hello\n', mtimeNs: timeNs, ctimeNs: timeNs, labels },
  ])
}

/** As `hexdump -C` prints it. */
export function hexDump(bytes: Buffer): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16)
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0'))
    const left = hex.slice(0, 8).join(' ').padEnd(23)
    const right = hex.slice(8).join(' ').padEnd(23)
    const text = row.toString('latin1').replaceAll(/[^ -~]/g, '.')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  |${text}|`)
  }
  return lines.join('\n')
}
