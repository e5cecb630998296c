import { manifestContentType } from '../src/wire/limits.ts'
import type { TransferFailure } from '../src/wire/transfer-failure.ts'
import type { HashedFile, ReadEnd } from './hashed-file.ts'
import type { Lane, LaneAnswer } from './lane.ts'
import { type NextStep, nextStep, type Step } from './next-step.ts'
import { SingleBody } from './single-body.ts'
import type { UnfinishedUpload } from './unfinished-uploads.ts'
import { resumeHeaders, uploadHeaders } from './upload-headers.ts'

export interface SingleExchangeOptions {
  readonly upload: UnfinishedUpload
  readonly file: HashedFile
  readonly lane: Lane
  readonly onSent: (sizeBytes: number) => void
  /** A body begins with this byte of the message. */
  readonly onBegin: (fromByte: number) => void
}

/** How it ended: with the receiver's word, with a failure, or with the file. */
export type ExchangeEnd =
  | { readonly answer: LaneAnswer }
  | { readonly failure: TransferFailure }
  | { readonly fileEnd: ReadEnd }

/** If a request that was to end early has not settled by then, its connection is given up. */
const settleAfterStopMs = 5000
/** A receiver that wants yet another one is not sane: the coordinator decides when it is asked again. */
const mostBodies = 3

/** The requests about one upload, one after the other, until one of them is the last. */
export class SingleExchange {
  readonly #options: SingleExchangeOptions
  #bodies = 0
  #isOver = false
  #deadline: NodeJS.Timeout | undefined

  constructor(options: SingleExchangeOptions) {
    this.#options = options
  }

  /** Never rejects for what the file, the disk or the link does. */
  async run(first: Step): Promise<ExchangeEnd> {
    const { file, upload } = this.#options
    let next: NextStep = first
    try {
      while ('method' in next) {
        if (file.end !== undefined) return { fileEnd: file.end }
        const step: Step = next
        const body = this.#bodyOf(step)
        const reply = await this.#send(step, body)
        if (body?.endedEarly !== undefined) return { fileEnd: body.endedEarly }
        next = nextStep(step, reply, upload.layout.contentLength)
        if (hasTheFile(next)) upload.mayBeComplete = true
        if (this.#bodies === mostBodies && sendsBody(next)) return { failure: tooOften(reply) }
      }
      return next
    } finally {
      this.#isOver = true
      clearTimeout(this.#deadline)
    }
  }

  /** Ends what is under way early, where it can be gone on with. */
  stop(): void {
    void this.#options.file.stop()
    // Also one of which only the answer is missing: it is asked for again when the upload goes on.
    if (!this.#isOver) this.#giveUpIfItHangs()
  }

  #send(step: Step, body: SingleBody | null): Promise<LaneAnswer | TransferFailure> {
    const { lane, upload } = this.#options
    const { method } = step
    const path = method === 'POST' ? '/v1/uploads' : uploadPath(upload)
    return lane.send({ method, path, headers: headersOf(step, upload), body })
  }

  #bodyOf(step: Step): SingleBody | null {
    if (!sendsBody(step)) return null
    this.#bodies += 1
    const { upload, file, lane, onSent, onBegin } = this.#options
    const fromByte = step.method === 'PATCH' ? step.fromByte : 0
    onBegin(fromByte)
    const onDigests = () => {
      upload.mayBeComplete = true
    }
    if (fromByte === upload.layout.contentLength) {
      onDigests()
      return null
    }
    file.checkAgain()
    const { layout, identity } = upload
    const { sizeBytes } = identity
    const body = new SingleBody({
      file,
      sizeBytes,
      layout,
      fromByte,
      // The receiver's patience is as long as ours.
      signOfLifeMs: lane.stallMs / 4,
      onSent,
      onDigests,
    })
    // It is answered with a reset.
    body.once('end', () => {
      if (body.endedEarly !== undefined) this.#giveUpIfItHangs()
    })
    return body
  }

  #giveUpIfItHangs(): void {
    this.#deadline ??= setTimeout(
      () => void this.#options.lane.destroy(new Error('an upload that was stopped did not settle')),
      settleAfterStopMs,
    )
  }
}

/** Of the upload itself, for everything but the first request. */
export function uploadPath({ uploadId }: UnfinishedUpload): string {
  return `/v1/uploads/${uploadId}`
}

function sendsBody(step: NextStep): boolean {
  return 'method' in step && (step.method === 'POST' || step.method === 'PATCH')
}

/** The receiver has given its outcome, or is to be asked for it. */
function hasTheFile(step: NextStep): boolean {
  return 'answer' in step || ('method' in step && step.method === 'GET')
}

function headersOf(step: Step, { layout, uploadId }: UnfinishedUpload): Record<string, string> {
  switch (step.method) {
    case 'POST':
      return uploadHeaders(layout, uploadId, 'single')
    case 'PATCH':
      return resumeHeaders(layout, step.fromByte)
    case 'GET':
      return { accept: manifestContentType }
    default:
      return {}
  }
}

function tooOften(reply: LaneAnswer | TransferFailure): TransferFailure {
  if ('kind' in reply) return reply
  const detail = `the receiver has asked for an upload ${mostBodies} times and not taken it`
  return { kind: 'answer_unreadable', detail }
}
