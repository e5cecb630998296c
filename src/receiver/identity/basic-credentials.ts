import { isMachineId, type MachineId } from './machine-id.ts'

export interface BasicCredentials {
  readonly id: MachineId
  readonly secret: string
}

/** An id of 64 and a secret of 43 characters take 150; anything much longer is not ours. */
const maximumHeaderLength = 512

/**
 * Reads an `Authorization: Basic` header (RFC 7617). Undefined for anything that cannot be a
 * machine's: another scheme, no colon, an impossible id, or more than 512 characters.
 */
export function parseBasicCredentials(header: string | undefined): BasicCredentials | undefined {
  if (header === undefined || header.length > maximumHeaderLength) return undefined
  const encoded = /^basic +([A-Za-z0-9+/_-]+=*)$/i.exec(header)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const id = text.slice(0, Math.max(colon, 0))
  return isMachineId(id) ? { id, secret: text.slice(colon + 1) } : undefined
}
