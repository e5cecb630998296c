/** What the process answers its caller with. Scripts rely on these; docs/errors.md explains them. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notUsable: 3,
  inUse: 4,
  tryAgain: 5,
  rejected: 6,
} as const

/** Every error a person can meet, by its stable code, with the exit status it ends a command with. */
const errorTable = {
  usage: exitCodes.usage,
  config_not_found: exitCodes.usage,
  config_unreadable: exitCodes.usage,
  config_not_json: exitCodes.usage,
  config_invalid: exitCodes.usage,
  paused: exitCodes.usage,
  tls_files_invalid: exitCodes.usage,
  machine_id_invalid: exitCodes.usage,
  machine_exists: exitCodes.usage,
  machine_unknown: exitCodes.usage,
  address_invalid: exitCodes.usage,
  listen_refused: exitCodes.usage,
  output_not_empty: exitCodes.usage,
  not_set_aside: exitCodes.usage,
  data_folder_unusable: exitCodes.notUsable,
  data_folder_newer: exitCodes.notUsable,
  data_folder_other_store: exitCodes.notUsable,
  data_damaged: exitCodes.notUsable,
  root_in_use: exitCodes.inUse,
  data_folder_in_use: exitCodes.inUse,
  port_in_use: exitCodes.inUse,
  receiver_unreachable: exitCodes.tryAgain,
  receiver_not_trusted: exitCodes.tryAgain,
  receiver_incompatible: exitCodes.tryAgain,
  certificate_not_yet_valid: exitCodes.tryAgain,
  certificate_expired: exitCodes.tryAgain,
  certificate_wrong_name: exitCodes.tryAgain,
  credentials_rejected: exitCodes.tryAgain,
  receiver_refused: exitCodes.tryAgain,
  receiver_full: exitCodes.tryAgain,
  connection_lost: exitCodes.tryAgain,
  not_requeued: exitCodes.tryAgain,
  stopped: exitCodes.tryAgain,
} as const

export type ErrorCode = keyof typeof errorTable

export const errorCodes = Object.keys(errorTable) as ErrorCode[]

export interface LongshoreErrorOptions {
  /** What the person can do next: one sentence or a command. */
  readonly hint?: string
  readonly cause?: unknown
}

/**
 * An error that a person caused or can mend. The message says what happened and where, the hint what
 * to do next. Anything else that is thrown is a bug of ours and is reported with its stack.
 */
export class LongshoreError extends Error {
  override readonly name = 'LongshoreError'
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: LongshoreErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }

  get exitCode(): number {
    return errorTable[this.code]
  }
}

/** The `code` of a system error such as `ENOENT`, or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** A short text for an unknown thrown value, for messages and logs. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
