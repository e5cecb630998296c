import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { version } from '../../base/version.ts'
import { errorFields, type Log } from '../../telemetry/log.ts'
import { manifestContentType, protocolVersion } from '../../wire/limits.ts'
import { encodeOutcomes, type Outcome, outcomesAsJson } from '../../wire/outcome.ts'
import type { Problem } from '../../wire/problem.ts'
import { WireError } from '../../wire/wire-error.ts'
import { NotDurableError } from '../ingest/group-commit.ts'
import type { Ingest } from '../ingest/ingest.ts'
import type { FreeSpace } from './free-space.ts'
import { jsonReply, problemReply, type Reply } from './reply.ts'
import { readUploadRequest, type UploadRequest } from './upload-request.ts'

export interface RouteContext {
  readonly ingest: Pick<Ingest, 'take'>
  readonly freeSpace: Pick<FreeSpace, 'enter' | 'leave' | 'figures'>
  readonly storeKind: 'folder' | 'null'
  readonly log: Log
}

/** One request of a machine that has shown who it is. Undefined: the sender is gone. */
export function route(
  context: RouteContext,
  machine: string,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Promise<Reply | undefined> {
  const path = (headers[':path'] ?? '').split('?', 1)[0]
  const method = headers[':method'] ?? ''
  if (path === '/v1/uploads') {
    return method === 'POST'
      ? takeUpload(context, machine, stream, headers)
      : Promise.resolve(methodNotAllowed('POST'))
  }
  if (path === '/v1/machine') {
    return method === 'GET' ? describe(context, machine) : Promise.resolve(methodNotAllowed('GET'))
  }
  return Promise.resolve(
    problemReply({ code: 'not_found', status: 404, detail: 'There is nothing at this path.' }),
  )
}

/** What `longshore check` asks: whom the receiver took us for, and what it is. */
async function describe(context: RouteContext, machine: string): Promise<Reply> {
  const { freeBytes, totalBytes } = await context.freeSpace.figures()
  return jsonReply({
    machine,
    receiver: `longshore/${version}`,
    protocol: protocolVersion,
    store: context.storeKind,
    free_bytes: freeBytes,
    total_bytes: totalBytes,
  })
}

async function takeUpload(
  context: RouteContext,
  machine: string,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Promise<Reply | undefined> {
  const request = readUploadRequest(headers)
  if ('code' in request) return refuse(context, machine, request)
  const { ingest, freeSpace } = context
  let announcedBytes = context.storeKind === 'null' ? 0 : request.contentLength
  if (!(await freeSpace.enter(announcedBytes))) {
    return refuse(context, machine, storageFull, { 'retry-after': '60' })
  }
  // What has been written is missing from the free space already: counted once, not twice.
  const onWritten = (sizeBytes: number) => {
    const byBytes = Math.min(sizeBytes, announcedBytes)
    announcedBytes -= byBytes
    freeSpace.leave(byBytes)
  }
  try {
    const outcomes = await ingest.take({ ...request, machine, body: stream, onWritten })
    return outcomes === undefined ? undefined : outcomesReply(context, machine, request, outcomes)
  } catch (error) {
    return refuse(context, machine, problemFor(context, machine, error))
  } finally {
    freeSpace.leave(announcedBytes)
  }
}

const storageFull: Problem = {
  code: 'storage_full',
  status: 507,
  detail: 'The receiver keeps the rest of its disk free (--min-free). Free some space there.',
}

function problemFor({ log }: RouteContext, machine: string, error: unknown): Problem {
  if (error instanceof WireError) {
    return { code: error.code, status: error.httpStatus, detail: error.message }
  }
  if (error instanceof NotDurableError) {
    log.error('not_durable', 'could not store an upload', { machine, ...errorFields(error.cause) })
    return {
      code: 'not_durable',
      status: 507,
      detail: 'The receiver could not write to its disk; its log says why. Nothing was stored.',
    }
  }
  throw error
}

function refuse(
  { log }: RouteContext,
  machine: string,
  problem: Problem,
  headers?: Record<string, string>,
): Reply {
  const { code, status, detail } = problem
  log.warn('upload_refused', `refused an upload of ${machine}: ${detail}`, {
    machine,
    code,
    status,
  })
  return problemReply(problem, headers)
}

function outcomesReply(
  { log }: RouteContext,
  machine: string,
  { wantsMsgpack }: UploadRequest,
  outcomes: readonly Outcome[],
): Reply {
  const rejected = outcomes.filter(({ status }) => status === 'rejected')
  if (rejected.length > 0) {
    const code = rejected[0]!.reason!
    const message = `rejected ${rejected.length} of ${outcomes.length} files of ${machine}`
    log.warn('files_rejected', message, { machine, code, files: rejected.length })
  }
  return wantsMsgpack
    ? { status: 200, contentType: manifestContentType, body: encodeOutcomes(outcomes) }
    : { status: 200, contentType: 'application/json', body: outcomesAsJson(outcomes) }
}

function methodNotAllowed(allow: string): Reply {
  const detail = `This path takes ${allow} only.`
  return problemReply({ code: 'method_not_allowed', status: 405, detail }, { allow })
}
