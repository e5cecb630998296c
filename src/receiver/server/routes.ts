import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { version } from '../../base/version.ts'
import type { Log } from '../../telemetry/log.ts'
import { protocolVersion } from '../../wire/limits.ts'
import type { FreeSpace } from './free-space.ts'
import { jsonReply, problemReply, type Reply } from './reply.ts'
import type { Asking } from './upload-answers.ts'
import { uploadIdOf } from './upload-fields.ts'
import type { UploadRoutes } from './upload-routes.ts'

export interface RouteContext {
  readonly uploads: UploadRoutes
  readonly freeSpace: Pick<FreeSpace, 'figures'>
  readonly storeKind: 'folder' | 'null'
  readonly log: Log
}

/** One request of a machine that has shown who it is. Undefined: the sender is gone. */
export async function route(
  context: RouteContext,
  machine: string,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Promise<Reply | undefined> {
  const path = (headers[':path'] ?? '').split('?', 1)[0]!
  const asking = { machine, headers, log: context.log }
  if (path === '/v1/uploads') return routeUploads(context, asking, stream)
  const uploadId = uploadIdOf(path)
  if (uploadId !== undefined) return routeUpload(context, asking, stream, uploadId)
  if (path === '/v1/machine') {
    return headers[':method'] === 'GET' ? describe(context, machine) : methodNotAllowed('GET')
  }
  return problemReply({
    code: 'not_found',
    status: 404,
    detail: 'There is nothing at this path.',
  })
}

const allowedOfAll = 'POST, OPTIONS'

async function routeUploads(
  { uploads }: RouteContext,
  asking: Asking,
  stream: ServerHttp2Stream,
): Promise<Reply | undefined> {
  switch (asking.headers[':method']) {
    case 'POST':
      return uploads.create(asking, stream)
    case 'OPTIONS':
      return uploads.options(allowedOfAll)
    default:
      return methodNotAllowed(allowedOfAll)
  }
}

const allowedOfOne = 'HEAD, GET, PATCH, DELETE, OPTIONS'

async function routeUpload(
  { uploads }: RouteContext,
  asking: Asking,
  stream: ServerHttp2Stream,
  uploadId: string,
): Promise<Reply | undefined> {
  switch (asking.headers[':method']) {
    case 'HEAD':
      return uploads.look(asking, uploadId, false)
    case 'GET':
      return uploads.look(asking, uploadId, true)
    case 'PATCH':
      return uploads.append(asking, stream, uploadId)
    case 'DELETE':
      return uploads.cancel(asking, uploadId)
    case 'OPTIONS':
      return uploads.options(allowedOfOne)
    default:
      return methodNotAllowed(allowedOfOne)
  }
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

function methodNotAllowed(allow: string): Reply {
  const detail = `This path takes ${allow} only.`
  return problemReply({ code: 'method_not_allowed', status: 405, detail }, { allow })
}
