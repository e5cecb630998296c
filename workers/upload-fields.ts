/**
 * What an answer says of an upload as a whole: the fields of draft-ietf-httpbis-resumable-upload. A
 * field that is missing, or is not what it should be, is ignored, as RFC 9651 has it.
 */
export interface UploadFields {
  /** How many bytes of the message the receiver has. */
  readonly offset: number | undefined
  /** True: it has the whole message and its outcomes. */
  readonly complete: boolean | undefined
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

export function uploadFieldsOf(headers: Headers): UploadFields {
  const offset = itemOf(headers['upload-offset'])
  const complete = itemOf(headers['upload-complete'])
  return {
    offset: /^\d{1,15}$/.test(offset) ? Number(offset) : undefined,
    complete: complete === '?1' ? true : complete === '?0' ? false : undefined,
  }
}

/** Without its parameters (RFC 9651 section 4.2.3). */
function itemOf(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value.split(';', 1)[0]!.trim() : ''
}
