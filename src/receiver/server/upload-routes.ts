import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Problem } from '../../wire/problem.ts'
import type { Ingest } from '../ingest/ingest.ts'
import type { Created } from '../resume/creation.ts'
import type { Complete, Reached, Receipt } from '../resume/resumable-upload.ts'
import type { ResumableUploads } from '../resume/resumable-uploads.ts'
import { AnnouncedSpace } from './announced-space.ts'
import type { FreeSpace } from './free-space.ts'
import { problemReply, type Reply } from './reply.ts'
import { type Asking, outcomesReply, refuse, refuseFor, storageFull } from './upload-answers.ts'
import {
  interopVersion,
  pathOfUpload,
  reachedFields,
  uploadCompleteOf,
  uploadLimit,
  wantsInterimAnswers,
} from './upload-fields.ts'
import {
  inconsistentLength,
  readAppendRequest,
  readUploadRequest,
  type UploadRequest,
} from './upload-request.ts'

export interface UploadRoutesOptions {
  readonly ingest: Pick<Ingest, 'take'>
  readonly uploads: Pick<ResumableUploads, 'create' | 'look' | 'append' | 'cancel'>
  readonly freeSpace: Pick<FreeSpace, 'enter' | 'leave'>
  /** False where everything is thrown away: it needs no room. */
  readonly keepsBytes: boolean
  /** How long an upload may be left alone. */
  readonly maxAgeMs: number
}

/** What can be asked of `/v1/uploads` and of one upload below it. Undefined: the sender is gone. */
export class UploadRoutes {
  readonly #options: UploadRoutesOptions

  constructor(options: UploadRoutesOptions) {
    this.#options = options
  }

  /** `POST /v1/uploads`: a message, or as much of one as comes now. */
  async create(asking: Asking, stream: ServerHttp2Stream): Promise<Reply | undefined> {
    const request = readUploadRequest(asking.headers)
    if ('code' in request) return refuse(asking, request)
    const { contentLength, resumable } = request
    if (!resumable) {
      return this.#withRoom(asking, contentLength, () => this.#takeSmall(asking, stream, request))
    }
    const create = (space?: AnnouncedSpace) => this.#createResumable(asking, stream, request, space)
    // What has arrived of it already takes no more room.
    return this.#withRoom(asking, contentLength, create, create)
  }

  /** `PATCH`: further bytes. */
  async append(
    asking: Asking,
    stream: ServerHttp2Stream,
    uploadId: string,
  ): Promise<Reply | undefined> {
    const request = readAppendRequest(asking.headers)
    if ('code' in request) return refuse(asking, request)
    const { contentLength, offset, isLast } = request
    const take = async ({ written }: AnnouncedSpace) => {
      const append = { body: stream, offset, sizeBytes: contentLength, isLast, onWritten: written }
      const receipt = await this.#options.uploads.append(asking.machine, uploadId, append)
      return receipt === undefined ? unknownUpload() : this.#receiptReply(asking, receipt, offset)
    }
    return this.#withRoom(asking, contentLength, take)
  }

  /** `HEAD`: how far it is. `GET` says the same until it is finished, and then what became of it. */
  async look(asking: Asking, uploadId: string, wantsOutcomes: boolean): Promise<Reply> {
    try {
      const found = await this.#options.uploads.look(asking.machine, uploadId)
      if (found === undefined) return unknownUpload()
      const fields = this.#fieldsOf(found)
      return found.kind === 'complete' && wantsOutcomes
        ? outcomesReply(asking, found.outcomes, fields)
        : { status: 204, headers: fields }
    } catch (error) {
      return refuseFor(asking, error)
    }
  }

  /** `DELETE`: it will not go on. */
  async cancel({ machine }: Asking, uploadId: string): Promise<Reply> {
    const result = await this.#options.uploads.cancel(machine, uploadId)
    if (result === 'unknown') return unknownUpload()
    if (result === 'cancelled') return { status: 204 }
    const detail = 'This upload is complete: GET says what became of it.'
    return problemReply({ code: 'completed_upload', status: 409, detail })
  }

  /** `OPTIONS` */
  options(allow: string): Reply {
    const headers = {
      allow,
      'accept-patch': 'application/partial-upload',
      ...uploadLimit(this.#options.maxAgeMs),
    }
    return { status: 204, headers }
  }

  async #withRoom(
    asking: Asking,
    sizeBytes: number,
    take: (space: AnnouncedSpace) => Promise<Reply | undefined>,
    whenFull: () => Promise<Reply | undefined> = async () => refuseFull(asking),
  ): Promise<Reply | undefined> {
    const { freeSpace, keepsBytes } = this.#options
    const space = await AnnouncedSpace.enter(freeSpace, keepsBytes ? sizeBytes : 0)
    try {
      if (space !== undefined) return await take(space)
      return await whenFull()
    } catch (error) {
      return refuseFor(asking, error)
    } finally {
      space?.end()
    }
  }

  async #takeSmall(
    asking: Asking,
    stream: ServerHttp2Stream,
    request: UploadRequest,
  ): Promise<Reply | undefined> {
    const { machine, headers } = asking
    const outcomes = await this.#options.ingest.take({ ...request, machine, body: stream })
    if (outcomes === undefined) return undefined
    // A client of the draft takes an answer without it for one that came before the end.
    const isSingle = uploadCompleteOf(headers) === true
    return outcomesReply(asking, outcomes, isSingle ? { 'upload-complete': '?1' } : {})
  }

  async #createResumable(
    asking: Asking,
    stream: ServerHttp2Stream,
    request: UploadRequest,
    space: AnnouncedSpace | undefined,
  ): Promise<Reply | undefined> {
    const { contentLength, ...facts } = request
    const created = await this.#options.uploads.create({
      ...facts,
      machine: asking.machine,
      body: stream,
      sizeBytes: contentLength,
      onlyIfKnown: space === undefined,
      onWritten: (writtenBytes) => space?.written(writtenBytes),
      onCreated: (uploadId) => this.#announce(asking.headers, stream, uploadId),
    })
    return this.#createdReply(asking, created)
  }

  #createdReply(asking: Asking, created: Created): Reply | undefined {
    switch (created.kind) {
      case 'unknown':
        return refuseFull(asking)
      case 'too_many':
        return refuse(asking, tooManyUploads, { 'retry-after': '60' })
      case 'unfinished': {
        const location = pathOfUpload(created.uploadId)
        return problemReply(unfinishedUpload, { ...this.#fieldsOf(created), location })
      }
      case 'appended': {
        const { uploadId, offset } = created
        const fields = {
          ...reachedFields(false, offset, undefined),
          location: pathOfUpload(uploadId),
        }
        return { status: 201, headers: { ...fields, ...uploadLimit(this.#options.maxAgeMs) } }
      }
      default:
        return this.#receiptReply(asking, created, 0)
    }
  }

  #receiptReply(asking: Asking, receipt: Receipt, offset: number): Reply | undefined {
    switch (receipt.kind) {
      case 'broken':
      case 'gone':
        return undefined
      case 'appended':
        return { status: 204, headers: reachedFields(false, receipt.offset, undefined) }
      case 'complete':
        return outcomesReply(asking, receipt.outcomes, { 'upload-complete': '?1' })
      case 'wrong_offset':
        return refuse(
          asking,
          mismatchingOffset(receipt.offset, offset),
          reachedFields(false, receipt.offset, undefined),
        )
      case 'wrong_length':
        return refuse(asking, inconsistentLength(receipt.messageBytes))
      default:
        return receipt satisfies never
    }
  }

  #fieldsOf(found: Reached | Complete): OutgoingHttpHeaders {
    const { messageBytes } = found
    const isComplete = found.kind === 'complete'
    const offset = isComplete ? found.messageBytes : found.offset
    return {
      ...reachedFields(isComplete, offset, messageBytes),
      ...uploadLimit(this.#options.maxAgeMs),
    }
  }

  /** Tells a client of the draft where to go on, before it has sent much. */
  #announce(headers: IncomingHttpHeaders, stream: ServerHttp2Stream, uploadId: string): void {
    if (!wantsInterimAnswers(headers) || stream.destroyed || stream.closed) return
    stream.additionalHeaders({
      ':status': 104,
      'upload-draft-interop-version': interopVersion,
      location: pathOfUpload(uploadId),
      ...uploadLimit(this.#options.maxAgeMs),
    })
  }
}

const unfinishedUpload: Problem = {
  code: 'upload_unfinished',
  status: 409,
  detail: 'This upload has begun: go on with PATCH at Location, from Upload-Offset.',
}

const tooManyUploads: Problem = {
  code: 'too_many_uploads',
  status: 429,
  detail: 'This machine has too many uploads under way at once.',
}

function refuseFull(asking: Asking): Reply {
  return refuse(asking, storageFull, { 'retry-after': '60' })
}

function mismatchingOffset(expected: number, provided: number): Problem {
  const detail = `The next byte of this upload is ${expected}, not ${provided}.`
  const members = { 'expected-offset': expected, 'provided-offset': provided }
  return { code: 'mismatching_upload_offset', status: 409, detail, members }
}

function unknownUpload(): Reply {
  const detail = 'There is no such upload of this machine; perhaps it has expired.'
  return problemReply({ code: 'not_found', status: 404, detail })
}
