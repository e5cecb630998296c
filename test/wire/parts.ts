/**
 * Writes multipart messages from parts, independently of src/wire: as other clients do it, or as
 * nobody should.
 */

export interface Part {
  /** Header lines. */
  readonly header: readonly string[]
  readonly body: string | Buffer
}

export const boundary = 'the-boundary'
export const contentType = `multipart/form-data; boundary=${boundary}`

export function part(name: string, body: string | Buffer, ...more: string[]): Part {
  return { header: [`Content-Disposition: form-data; name="${name}"`, ...more], body }
}

export function jsonManifest(files: readonly { path: string; size: number }[]): Part {
  const json = { version: 1, files: files.map((file) => ({ ...file, mtime_ns: '0' })) }
  return part('manifest', JSON.stringify(json), 'Content-Type: application/json')
}

export function digestsPart(fileCount: number): Part {
  return part('digests', Buffer.alloc(fileCount * 32, 7))
}

export function multipart(parts: readonly Part[], lastLine = `--${boundary}--\r\n`): Buffer {
  const pieces: Buffer[] = []
  for (const { header, body } of parts) {
    pieces.push(
      Buffer.from(`--${boundary}\r\n${header.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1'),
      Buffer.from(body as string),
      Buffer.from('\r\n'),
    )
  }
  return Buffer.concat([...pieces, Buffer.from(lastLine, 'latin1')])
}
