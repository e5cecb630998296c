import type { TransferFailureKind } from '../wire/transfer-failure.ts'

/** What a failure leads to. docs/reliability.md explains each, in a table that a test holds against this one. */
export type FailureAction =
  /** Nothing is known against these files: everything waits, and is tried again by itself. */
  | 'hold all'
  /** The same, and these files do not come together again: it may yet be for one of them. */
  | 'hold all, apart'
  /** Everything waits, for long, until a person has mended something. Reported. */
  | 'hold all, report'
  /** It is for one of these files: a bundle is halved, a file alone is tried later. Reported. */
  | 'file later'
  /** The same, and a file that was to blame alone three times is set aside. */
  | 'quarantine'
  /** We ended it ourselves: the files wait as before. */
  | 'put back'

/** Failures without an answer, or with one that is none. */
export const actionByKind: Readonly<
  Record<Exclude<TransferFailureKind, 'refused'>, FailureAction>
> = {
  unreachable: 'hold all',
  connection_lost: 'hold all',
  stalled: 'hold all',
  device_busy: 'hold all',
  answer_unreadable: 'hold all, apart',
  fault_here: 'hold all',
  not_trusted: 'hold all, report',
  certificate_not_yet_valid: 'hold all, report',
  certificate_expired: 'hold all, report',
  certificate_wrong_name: 'hold all, report',
  incompatible: 'hold all, report',
  stopped: 'put back',
}

/** The receiver's own problem documents, by their code. */
export const actionByProblem: Readonly<Record<string, FailureAction>> = {
  bad_request: 'quarantine',
  bad_multipart: 'quarantine',
  length_required: 'quarantine',
  bad_content_type: 'quarantine',
  bad_manifest: 'quarantine',
  manifest_too_large: 'quarantine',
  upload_id_mismatch: 'quarantine',
  length_mismatch: 'quarantine',
  too_large: 'file later',
  upload_unfinished: 'file later',
  mismatching_upload_offset: 'file later',
  inconsistent_upload_length: 'file later',
  completed_upload: 'file later',
  credentials_rejected: 'hold all, report',
  too_many_attempts: 'hold all, report',
  not_found: 'hold all, report',
  method_not_allowed: 'hold all, report',
  internal: 'hold all, apart',
  data_folder_unusable: 'hold all',
  not_durable: 'hold all',
  storage_full: 'hold all',
  too_many_uploads: 'hold all',
}

/**
 * All other answers: from something in between, or from a receiver of another version. Nothing is set
 * aside for the word of a stranger.
 */
export const actionByStatus: Readonly<Record<number, FailureAction>> = {
  401: 'hold all, report',
  402: 'hold all, report',
  403: 'hold all, report',
  404: 'hold all, report',
  405: 'hold all, report',
  406: 'hold all, report',
  407: 'hold all, report',
  408: 'hold all',
  410: 'hold all, report',
  411: 'hold all, report',
  412: 'hold all, report',
  414: 'hold all, report',
  417: 'hold all, report',
  421: 'hold all',
  425: 'hold all',
  426: 'hold all, report',
  428: 'hold all, report',
  429: 'hold all',
  431: 'hold all, report',
  500: 'hold all, apart',
  501: 'hold all, report',
  505: 'hold all, report',
  511: 'hold all, report',
}

/** Statuses that stand in none of the tables above, by their first digit. */
export const actionByClass: Readonly<Record<string, FailureAction>> = {
  '1xx': 'hold all, report',
  '2xx': 'hold all, report',
  '3xx': 'hold all, report',
  '4xx': 'file later',
  '5xx': 'hold all',
  other: 'hold all, report',
}

/** No fault of the file, but of what the device has left: all files wait for a moment. */
export const deviceBusyErrnos: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
])
