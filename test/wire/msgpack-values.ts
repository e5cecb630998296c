import { MsgpackError, type MsgpackReader } from '../../src/wire/msgpack-reader.ts'
import type { MsgpackWriter } from '../../src/wire/msgpack-writer.ts'
import type { Random } from './random.ts'

export type Value = null | bigint | string | Buffer | readonly Value[]

export function writeValue(out: MsgpackWriter, value: Value): void {
  if (value === null) out.nil()
  else if (typeof value === 'bigint') out.int(value)
  else if (typeof value === 'string') out.text(value)
  else if (Buffer.isBuffer(value)) out.binary(value)
  else {
    out.array(value.length)
    for (const each of value as readonly Value[]) writeValue(out, each)
  }
}

/** Reads what has the shape of `like`. */
export function readLike(from: MsgpackReader, like: Value): Value {
  if (like === null) {
    if (!from.nilNext()) throw new MsgpackError('no nil')
    return null
  }
  if (typeof like === 'bigint') return from.bigint()
  if (typeof like === 'string') return from.text(1e6)
  if (Buffer.isBuffer(like)) return Buffer.from(from.binary(1e6))
  const shapes = like as readonly Value[]
  from.tuple(shapes.length)
  return shapes.map((shape) => readLike(from, shape))
}

export function randomValue(random: Random, depth: number): Value {
  switch (random.below(depth > 0 ? 5 : 4)) {
    case 0:
      return random.int64()
    case 1:
      return random.text(random.pick([3, 40, 300]))
    case 2:
      return random.bytes(random.pick([0, 7, 255, 256, 3000]))
    case 3:
      return null
    default:
      return random.list(random.pick([2, 20]), () => randomValue(random, depth - 1))
  }
}
