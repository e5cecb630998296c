import { type BytePath, joinPath } from '../../src/base/byte-path.ts'
import type { CaptureLabels, FileLabels, Manifest, ManifestFile } from '../../src/wire/manifest.ts'
import type { Random } from './random.ts'

/** A manifest of up to `maxFiles` files: names of any bytes, some of one folder, some of one label. */
export function randomManifest(random: Random, maxFiles: number): Manifest {
  const folders = [1, 2, 3].map(() => randomFolder(random))
  const labels = [1, 2, 3].map(() => randomLabels(random))
  const files = Array.from(
    { length: 1 + random.below(maxFiles) },
    (): ManifestFile => ({
      path: joinPath(random.pick(folders), randomName(random)),
      sizeBytes: random.size(2 ** 50),
      mtimeNs: random.int64(),
      ctimeNs: random.int64(),
      labels: random.pick(labels),
    }),
  )
  return { files }
}

/** Any bytes but a slash; it need not be one that a receiver takes. */
function randomName(random: Random): string {
  return random
    .bytes(random.pick([1, 5, 30, 255]))
    .toString('latin1')
    .replaceAll('/', '_')
}

function randomFolder(random: Random): BytePath {
  return `/${random.list(4, () => randomName(random)).join('/')}` as BytePath
}

function randomLabels(random: Random): FileLabels {
  return {
    root: random.chance(0.2) ? ('' as BytePath) : randomFolder(random),
    contentType: random.pick(['application/octet-stream', 'image/jpeg', random.text(20)]),
    tags: random.list(5, () => random.text(20)),
    datasetIds: random.list(2, () => random.text(20)),
    coding: 'identity',
    capture: random.chance(0.5) ? null : randomCapture(random),
  }
}

function randomCapture(random: Random): CaptureLabels {
  return {
    componentType: 'rdk:component:camera',
    componentName: random.text(30),
    methodName: random.text(10),
    type: random.below(4),
    methodParameters: random.list(3, () => ({
      name: random.text(10),
      typeUrl: 'type.googleapis.com/google.protobuf.StringValue',
      value: random.bytes(random.below(300)),
    })),
    fileExtension: random.pick(['', '.jpeg']),
    mimeType: random.text(12),
  }
}

/** Cuts, doubles, overwrites or inserts bytes at random places. */
export function mutated(random: Random, valid: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(valid)
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    const at = random.below(bytes.length + 1)
    const to = Math.min(bytes.length, at + random.below(40))
    switch (random.below(5)) {
      case 0:
        bytes = bytes.subarray(0, at)
        break
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
        break
      case 3:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          random.bytes(random.below(9)),
          bytes.subarray(at),
        ])
        break
      default:
        if (at < bytes.length) bytes[at] = random.below(256)
    }
  }
  return bytes
}
