import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { isMachineId, type MachineId } from './machine-id.ts'

/** One machine as stored. The secret itself is nowhere at the receiver. */
export interface MachineRecord {
  readonly id: MachineId
  /**
   * SHA-256 of the secret's text. Neither salted nor slow on purpose: a secret is 256 random bits,
   * which no list of guesses reaches, and this is computed at every request.
   */
  readonly secretSha256: Buffer
  /** RFC 3339. */
  readonly createdAt: string
}

/** Told of a machine's file that cannot be used. `reason` never quotes the file. */
export type DamagedRecordReport = (file: string, reason: string) => void

const extension = '.json'

export function machineFile(folder: string, id: MachineId): string {
  return join(folder, `${id}${extension}`)
}

export function encodeMachineRecord(record: MachineRecord): string {
  const secretSha256 = record.secretSha256.toString('hex')
  return `${JSON.stringify({ id: record.id, secret_sha256: secretSha256, created_at: record.createdAt })}\n`
}

/**
 * Reads all machines. A file that is damaged or cannot be read is reported and left out: it must not
 * shut out the others. Throws system errors that concern all of them: the folder cannot be read, or
 * the process is out of descriptors.
 */
export function readMachineRecords(
  folder: string,
  onDamaged: DamagedRecordReport,
): Map<string, MachineRecord> {
  const records = new Map<string, MachineRecord>()
  for (const name of readdirSync(folder)) {
    const id = name.slice(0, -extension.length)
    if (!name.endsWith(extension) || !isMachineId(id)) continue
    const file = machineFile(folder, id)
    const record = readRecord(file, id)
    if (typeof record === 'string') onDamaged(file, record)
    else if (record !== undefined) records.set(id, record)
  }
  return records
}

/** The record, the reason why there is none, or undefined where it has been removed meanwhile. */
function readRecord(file: string, id: MachineId): MachineRecord | string | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return undefined
    if (errno === undefined || errno === 'EMFILE' || errno === 'ENFILE') throw error
    return `cannot be read (${errno})`
  }
  let value: Partial<Record<'id' | 'secret_sha256' | 'created_at', unknown>> | null
  try {
    value = JSON.parse(text)
  } catch {
    return 'is not JSON'
  }
  const { id: storedId, secret_sha256: hash, created_at: createdAt } = value ?? {}
  if (storedId !== id) return 'names another machine than its file name'
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return 'has no SHA-256 of a secret'
  if (typeof createdAt !== 'string') return 'has no created_at'
  return { id, secretSha256: Buffer.from(hash, 'hex'), createdAt }
}
