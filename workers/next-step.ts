import type { TransferFailure } from '../src/wire/transfer-failure.ts'
import type { LaneAnswer } from './lane.ts'

/** One request about an upload of its own. */
export type Step =
  /** Nothing is known of it: the whole message. */
  | { readonly method: 'POST' }
  /** How much has arrived? */
  | { readonly method: 'HEAD' }
  /** The message from this byte to its end. */
  | { readonly method: 'PATCH'; readonly fromByte: number }
  /** What was the answer? */
  | { readonly method: 'GET' }

export type NextStep =
  | Step
  | { readonly answer: LaneAnswer }
  | { readonly failure: TransferFailure }

/**
 * What follows from the answer to a request, draft-ietf-httpbis-resumable-upload. Always one that sends
 * bytes or an end: requests without a body do not lead to each other in a circle.
 */
export function nextStep(
  step: Step,
  reply: LaneAnswer | TransferFailure,
  messageBytes: number,
): NextStep {
  if ('kind' in reply) return afterFailure(step, reply, messageBytes)
  if (reply.status === 200 && step.method !== 'HEAD') return { answer: reply }
  const { offset, complete } = reply.upload
  if (complete === true && step.method !== 'GET') return { method: 'GET' }
  if (complete === false && offset !== undefined) return resumeAt(offset, messageBytes)
  return unreadable('the receiver does not say how much of the upload it has')
}

function afterFailure(step: Step, failure: TransferFailure, messageBytes: number): NextStep {
  if (failure.status === 404 && step.method !== 'POST') return { method: 'POST' }
  if (failure.status !== 409) return { failure }
  if (failure.problemCode === 'completed_upload' && step.method !== 'GET') return { method: 'GET' }
  if (failure.uploadOffset === undefined) return { failure }
  return resumeAt(failure.uploadOffset, messageBytes)
}

function resumeAt(fromByte: number, messageBytes: number): NextStep {
  if (fromByte <= messageBytes) return { method: 'PATCH', fromByte }
  return unreadable(`the receiver has ${fromByte} bytes of an upload of ${messageBytes}`)
}

function unreadable(detail: string): NextStep {
  return { failure: { kind: 'answer_unreadable', detail } }
}

/** Nothing is to be gained from what is known of an upload once its message was turned down. */
export function isFinal({ kind, status }: TransferFailure): boolean {
  return kind === 'refused' && [400, 411, 413, 415, 422].includes(status ?? 0)
}
