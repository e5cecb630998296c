import { HeldBytes } from './held-bytes.ts'
import { maxFilesPerMessage, maxManifestBytes } from './limits.ts'
import {
  afterFirstBoundary,
  afterLineEnd,
  delimiterOf,
  Epilogue,
  endOfPartHeader,
  isClosing,
} from './multipart-framing.ts'
import { type FormPartHeader, parseFormPartHeader } from './part-header.ts'
import { WireError } from './wire-error.ts'

/** What a {@link FormReader} tells while a form arrives. What a method throws, `push` throws. */
export interface FormSink {
  onPart(header: FormPartHeader): void
  /** The next bytes of the part, in order, and where in the form they stand. Valid during the call. */
  onData(bytes: Buffer, messageOffset: number): void
  onPartEnd(): void
}

type State =
  | 'first boundary'
  | 'part header'
  | 'empty line'
  | 'body'
  | 'after a boundary'
  | 'complete'

const carriageReturn = 0x0d

/**
 * Reads a form without a manifest as it arrives, in pieces of any size. Nothing says how long its parts
 * are, so content is searched for the boundary, each byte once. Memory: one part's header.
 */
export class FormReader {
  readonly #sink: FormSink
  readonly #delimiter: Buffer
  readonly #held = new HeldBytes()
  readonly #epilogue = new Epilogue()
  #state: State = 'first boundary'
  #pushedBytes = 0
  #parts = 0
  #headerBytes = 0

  constructor(boundary: string, sink: FormSink) {
    this.#sink = sink
    this.#delimiter = delimiterOf(boundary)
  }

  /** True once the closing boundary has been read. */
  get complete(): boolean {
    return this.#state === 'complete'
  }

  /** @throws WireError when the bytes are not a form; push nothing after that. */
  push(piece: Buffer): void {
    this.#pushedBytes += piece.length
    const bytes = this.#held.join(piece)
    let at = 0
    while (true) {
      const next = this.#step(bytes, at)
      if (next === undefined) break
      at = next
    }
    this.#held.keep(bytes, at)
  }

  /** Consumes one thing that starts at `at` and returns where it ends, or undefined for "more bytes". */
  #step(bytes: Buffer, at: number): number | undefined {
    switch (this.#state) {
      case 'first boundary': {
        const end = afterFirstBoundary(bytes, at, this.#delimiter)
        if (end !== undefined) this.#state = 'part header'
        return end
      }
      case 'part header':
        return this.#partHeader(bytes, at)
      case 'empty line':
        return this.#emptyLine(bytes, at)
      case 'body':
        return this.#body(bytes, at)
      case 'after a boundary':
        return this.#afterBoundary(bytes, at)
      case 'complete':
        if (at === bytes.length) return undefined
        this.#epilogue.push(bytes, at)
        return bytes.length
      default:
        return this.#state satisfies never
    }
  }

  #partHeader(bytes: Buffer, at: number): number | undefined {
    const end = endOfPartHeader(bytes, at)
    if (end === undefined) return undefined
    this.#parts += 1
    if (this.#parts > maxFilesPerMessage) {
      throw new WireError('bad_multipart', `the form has over ${maxFilesPerMessage} parts`)
    }
    this.#headerBytes += end - at
    if (this.#headerBytes > maxManifestBytes) {
      const what = `the headers of the form's parts have over ${maxManifestBytes} bytes`
      throw new WireError('bad_multipart', what)
    }
    this.#sink.onPart(parseFormPartHeader(bytes.toString('latin1', at, end)))
    this.#state = 'empty line'
    return end + 2
  }

  /** A part may end right after its header: the empty line is then the boundary's (RFC 2046). */
  #emptyLine(bytes: Buffer, at: number): number | undefined {
    const length = Math.min(this.#delimiter.length, bytes.length - at)
    if (this.#delimiter.compare(bytes, at, at + length, 0, length) !== 0) {
      this.#state = 'body'
      return at + 2
    }
    return length === this.#delimiter.length ? this.#endPart(at) : undefined
  }

  #endPart(at: number): number {
    this.#sink.onPartEnd()
    this.#state = 'after a boundary'
    return at + this.#delimiter.length
  }

  #body(bytes: Buffer, at: number): number | undefined {
    const found = bytes.indexOf(this.#delimiter, at)
    const end = found === -1 ? this.#startOfDelimiter(bytes, at) : found
    if (end > at) {
      const messageOffset = this.#pushedBytes - bytes.length + at
      this.#sink.onData(bytes.subarray(at, end), messageOffset)
    }
    if (found !== -1) return this.#endPart(found)
    return end > at ? end : undefined
  }

  /**
   * Where a delimiter may have begun whose rest has not arrived, or the end. A boundary holds no
   * carriage return, so only the last one can be a delimiter's first byte.
   */
  #startOfDelimiter(bytes: Buffer, at: number): number {
    const from = Math.max(at, bytes.length - this.#delimiter.length + 1)
    const inTail = bytes.subarray(from).lastIndexOf(carriageReturn)
    if (inTail === -1) return bytes.length
    const start = from + inTail
    const length = bytes.length - start
    return this.#delimiter.compare(bytes, start, bytes.length, 0, length) === 0
      ? start
      : bytes.length
  }

  #afterBoundary(bytes: Buffer, at: number): number | undefined {
    if (bytes.length - at < 2) return undefined
    if (isClosing(bytes, at)) {
      this.#state = 'complete'
      return at + 2
    }
    this.#state = 'part header'
    return afterLineEnd(bytes, at)
  }
}
