import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { errorFields, type Log } from '../../telemetry/log.ts'
import { manifestContentType } from '../../wire/limits.ts'
import { encodeOutcomes, type Outcome, outcomesAsJson } from '../../wire/outcome.ts'
import type { Problem } from '../../wire/problem.ts'
import { WireError } from '../../wire/wire-error.ts'
import { NotDurableError } from '../ingest/group-commit.ts'
import { problemReply, type Reply } from './reply.ts'
import { wantsMsgpack } from './upload-request.ts'

/** Who asked, and how the answer is wanted. */
export interface Asking {
  readonly machine: string
  readonly headers: IncomingHttpHeaders
  readonly log: Log
}

export function outcomesReply(
  { machine, headers, log }: Asking,
  outcomes: readonly Outcome[],
  more: OutgoingHttpHeaders = {},
): Reply {
  const rejected = outcomes.filter(({ status }) => status === 'rejected')
  if (rejected.length > 0) {
    const code = rejected[0]!.reason!
    const message = `rejected ${rejected.length} of ${outcomes.length} files of ${machine}`
    log.warn('files_rejected', message, { machine, code, files: rejected.length })
  }
  return wantsMsgpack(headers)
    ? {
        status: 200,
        contentType: manifestContentType,
        body: encodeOutcomes(outcomes),
        headers: more,
      }
    : {
        status: 200,
        contentType: 'application/json',
        body: outcomesAsJson(outcomes),
        headers: more,
      }
}

/** Tells the sender, and the log, why nothing was taken. */
export function refuse(
  { machine, log }: Asking,
  problem: Problem,
  headers?: OutgoingHttpHeaders,
): Reply {
  const { code, status, detail } = problem
  log.warn('upload_refused', `refused an upload of ${machine}: ${detail}`, {
    machine,
    code,
    status,
  })
  return problemReply(problem, headers)
}

/** What a message came to grief with, for its sender. @throws what is a bug */
export function refuseFor(asking: Asking, error: unknown): Reply {
  if (error instanceof WireError) {
    const { code, httpStatus, message } = error
    return refuse(asking, { code, status: httpStatus, detail: message })
  }
  if (error instanceof NotDurableError) {
    const { machine, log } = asking
    log.error('not_durable', 'could not store an upload', { machine, ...errorFields(error.cause) })
    return refuse(asking, {
      code: 'not_durable',
      status: 507,
      detail: 'The receiver could not write to its disk; its log says why. Nothing was stored.',
    })
  }
  throw error
}

export const storageFull: Problem = {
  code: 'storage_full',
  status: 507,
  detail: 'The receiver keeps the rest of its disk free (--min-free). Free some space there.',
}
