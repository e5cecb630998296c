import { type BuiltMessage, buildMessage } from '../support/message.ts'
import { mutated, randomManifest } from '../wire/manifests.ts'
import { jsonManifest, multipart, type Part, part } from '../wire/parts.ts'
import type { Random } from '../wire/random.ts'

/** A message as it is sent, or nearly. */
export interface FuzzMessage {
  readonly contentType: string
  readonly body: Buffer
  /** What a device built, where nothing was changed about it. */
  readonly intact: BuiltMessage | undefined
}

/** What stands in other people's multipart messages, and what should not. */
const headerLines = [
  'Content-Disposition: form-data; name="file"; filename="a.jpg"',
  "content-disposition: form-data; name=file; filename*=UTF-8''%e2%82%ac%20rates",
  'Content-Disposition: form-data; name="file"; filename="a\\"b"',
  'Content-Disposition: form-data; name="manifest"',
  'Content-Disposition: form-data; name="digests"; filename=""',
  'Content-Disposition: attachment; name="file"',
  'Content-Disposition: form-data',
  'Content-Disposition: form-data; name="a"; name="b"',
  'Content-Type: application/json; charset=utf-8',
  'Content-Type: application/vnd.msgpack',
  'Content-Type: image/jpeg',
  'Content-Transfer-Encoding: base64',
  'X-Anything: at all',
  ': no name',
  'no colon',
  '',
  'Content-Disposition: form-data; name="x"; ; ;',
  `X-Long: ${'x'.repeat(4000)}`,
]

const bodies = ['', '\r\n', '--', '\r\n--', '\r\n--the-boundary', '\r\n--the-boundary--', 'abc']

export function randomMessage(random: Random): FuzzMessage {
  const intact = random.chance(0.5) ? deviceMessage(random) : undefined
  const { contentType, body } = intact ?? otherMessage(random)
  if (random.chance(0.25)) return { contentType, body, intact }
  return {
    contentType: randomType(random, contentType),
    body: mutated(random, body),
    intact: undefined,
  }
}

function deviceMessage(random: Random): BuiltMessage {
  const { files } = randomManifest(random, 4)
  return buildMessage(
    files.map(({ path, labels }) => ({
      path: { bytes: path },
      bytes: random.bytes(random.pick([0, 1, 30, 300])),
      labels,
    })),
  )
}

/** A form of parts in any order, with or without a manifest that tells their sizes. */
function otherMessage(random: Random): { contentType: string; body: Buffer } {
  const contents = random.list(3, () => random.pick(bodies))
  const files = contents.map((content, index) => ({
    path: random.pick([`/f/${index}`, '/same', 'relative', '/../up']),
    size: random.chance(0.9) ? content.length : random.below(50),
  }))
  const parts: Part[] = contents.map((content) =>
    part('file', content, ...random.list(1, () => random.pick(headerLines))),
  )
  if (random.chance(0.7)) parts.unshift(jsonManifest(files))
  if (random.chance(0.7)) parts.push(part('digests', random.bytes(contents.length * 32)))
  if (random.chance(0.3)) {
    const header = random.list(4, () => random.pick(headerLines))
    parts.splice(random.below(parts.length + 1), 0, { header, body: random.pick(bodies) })
  }
  const lastLine = random.pick([
    '--the-boundary--\r\n',
    '--the-boundary--',
    '--the-boundary\r\n',
    '',
  ])
  return {
    contentType: 'multipart/form-data; boundary=the-boundary',
    body: multipart(parts, lastLine),
  }
}

function randomType(random: Random, usual: string): string {
  if (random.chance(0.9)) return usual
  return random.pick([
    'multipart/form-data; boundary="the-boundary"',
    'Multipart/Form-Data;BOUNDARY=the-boundary; charset=x',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary="unclosed',
    `multipart/form-data; boundary=${random.text(80)}`,
    'application/json',
    '',
    random.text(30),
  ])
}

/** The message in pieces: three ways in which a network may bring it. */
export function splits(random: Random, body: Buffer): readonly (readonly Buffer[])[] {
  const at = random.below(body.length + 1)
  return [
    [Buffer.from(body.subarray(0, at)), Buffer.from(body.subarray(at))],
    random.pieces(body, random.pick([2, 7, 40])),
    random.pieces(body, random.pick([100, 1000])),
  ]
}
