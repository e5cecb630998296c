import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Busboy, type BusboyConfig } from '@fastify/busboy'
import { readForm } from './form-recorder.ts'
import { boundary, contentType, multipart, type Part, part } from './parts.ts'
import { Random } from './random.ts'

interface FoundPart {
  readonly name: string
  /** Undefined of a field. */
  readonly fileName: string | undefined
  readonly mimeType: string
  readonly bytes: string
}

/** What @fastify/busboy finds: its files and its fields, each in their order. */
async function partsByBusboy(body: Buffer): Promise<FoundPart[]> {
  const headers: BusboyConfig['headers'] = { 'content-type': contentType }
  const parser = new Busboy({
    headers,
    preservePath: true,
    defCharset: 'latin1',
    limits: { fileSize: 1e9, files: 1e4, fields: 1e4, fieldSize: 1e9 },
  })
  const files: { name: string; fileName: string; mimeType: string; chunks: Buffer[] }[] = []
  const fields: FoundPart[] = []
  parser.on('file', (name, stream, fileName, _encoding, mimeType) => {
    const chunks: Buffer[] = []
    files.push({ name, fileName, mimeType, chunks })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  })
  parser.on('field', (name, bytes, _isNameCut, _isValueCut, _encoding, mimeType) => {
    fields.push({ name, fileName: undefined, mimeType, bytes })
  })
  await new Promise<void>((resolve, reject) => {
    parser.once('finish', resolve)
    parser.once('error', reject)
    parser.end(body)
  })
  const found = files.map(({ chunks, ...rest }) => ({
    ...rest,
    bytes: Buffer.concat(chunks).toString('latin1'),
  }))
  return [...found, ...fields]
}

/** Content that looks like the end of a part, but holds no boundary. */
function treacherous(random: Random): Buffer {
  const baits = [
    '\r\n',
    '\r\n--',
    '--',
    '\r\n--the-boundar',
    '\r\r\n',
    '\n--\r',
    '\r\n\r\n',
    boundary,
  ]
  const bytes = Buffer.concat(
    random.list(12, () => (random.chance(0.6) ? Buffer.from(random.pick(baits)) : random.bytes(9))),
  )
  return String(bytes).search(`(^|\r\n)--${boundary}`) === -1 ? bytes : treacherous(random)
}

test('A form is read alike by this reader and by @fastify/busboy, in pieces of any size.', async () => {
  const random = new Random(17)
  const fileNames = ['a.jpg', 'a b;c=d.jpg', 'run/7/x', 'it\\\'s "so".txt', '..', '.jpg']
  for (let round = 0; round < 300; round += 1) {
    const parts = Array.from({ length: 1 + random.below(9) }, (): Part => {
      const body = random.chance(0.7) ? treacherous(random) : random.bytes(random.below(3000))
      const name = `n${random.below(100)}`
      if (random.chance(0.3)) return part(name, body)
      const quoted = random.pick(fileNames).replace(/["\\]/g, '\\$&')
      const disposition = `Content-Disposition: form-data; name="${name}"; filename="${quoted}"`
      const type = random.pick(['Content-Type: image/jpeg', 'Content-Type: Text/Plain'])
      return { header: random.chance(0.5) ? [disposition, type] : [type, disposition], body }
    })
    const body = multipart(parts)
    const expected = await partsByBusboy(body)
    const pieces = random.pieces(body, random.pick([2, 30, 2000]))
    const ours = readForm(contentType, pieces)
    assert.equal(ours.complete, true)
    const found = ours.parts.map(({ header, bytes }) => ({
      name: header.name,
      fileName: header.fileName,
      mimeType: header.contentType || 'text/plain',
      bytes: bytes.toString('latin1'),
    }))
    const files = found.filter(({ fileName }) => fileName !== undefined)
    const fields = found.filter(({ fileName }) => fileName === undefined)
    assert.deepEqual([...files, ...fields], expected, `round ${round}`)
  }
})
