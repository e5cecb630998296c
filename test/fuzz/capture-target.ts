import assert from 'node:assert/strict'
import { parseCaptureHeader } from '../../src/capture/capture-header.ts'
import { captureFile } from '../support/capture-file.ts'
import { mutated } from '../wire/manifests.ts'
import type { Random } from '../wire/random.ts'
import type { FuzzTarget } from './fuzz-target.ts'

/** More than a length takes: with fewer bytes nothing can be told. */
const leastPrefixBytes = 5

function run(random: Random): string {
  const intact = captureFile(
    {
      componentType: random.chance(0.9) ? 'rdk:component:camera' : random.text(20),
      componentName: random.text(random.pick([5, 200])),
      methodName: random.chance(0.9) ? 'ReadImage' : random.text(5),
      type: random.below(5),
      tags: random.list(4, () => random.text(10)),
      fileExtension: random.pick(['', '.jpeg']),
      mimeType: random.text(10),
      methodParameters: Object.fromEntries(
        random.list(3, () => [random.text(6), random.text(10)] as const),
      ),
    },
    [{ binary: random.bytes(random.below(40)) }],
  )
  const bytes = random.chance(0.2) ? intact : mutated(random, intact)
  const whole = parseCaptureHeader(bytes)
  if (whole === undefined) return 'no capture file'
  if ('needBytes' in whole) {
    assert.ok(whole.needBytes > bytes.length && whole.needBytes <= 64 * 1024 + leastPrefixBytes)
    return 'needs more'
  }
  // Read from less of the file it is the same, or asks for as many bytes as it then takes.
  const cut = leastPrefixBytes + random.below(Math.max(1, bytes.length - leastPrefixBytes))
  const part = parseCaptureHeader(bytes.subarray(0, cut))
  assert.ok(part !== undefined, `nothing in the first ${cut} of ${bytes.length} bytes`)
  const enough = 'needBytes' in part ? bytes.subarray(0, part.needBytes) : bytes.subarray(0, cut)
  assert.ok(!('needBytes' in part) || part.needBytes > cut)
  assert.deepEqual(parseCaptureHeader(enough), whole)
  return `type ${whole.type}, ${whole.tags.length} tags, ${whole.methodParameters.length} parameters`
}

export const capture: FuzzTarget = { name: 'capture', run }
