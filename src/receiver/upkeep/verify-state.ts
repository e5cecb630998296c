import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, LongshoreError, messageOf } from '../../base/errors.ts'
import { replaceFile } from '../identity/durable-file.ts'
import { isSystemError, shown } from '../identity/folder-errors.ts'

const format = 1

/**
 * The segment that a verification goes on with: 1 where the file is not there yet.
 *
 * @param createdAt - Of the data folder, so that one file is not used for two of them.
 * @throws LongshoreError `usage`
 */
export async function readVerifyState(file: string, createdAt: string): Promise<number> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 1
    throw stateError(file, `cannot be read: ${messageOf(error)}`, error)
  }
  const state = parseObject(text)
  const next = state?.next_segment
  if (state?.format !== format || typeof next !== 'number' || !Number.isSafeInteger(next)) {
    throw stateError(file, 'is not what receiver verify writes')
  }
  if (state.data_created_at !== createdAt) throw stateError(file, 'is of another data folder')
  return next
}

/** @throws LongshoreError `usage` */
export async function writeVerifyState(
  file: string,
  createdAt: string,
  nextSegment: number,
): Promise<void> {
  const state = { format, data_created_at: createdAt, next_segment: nextSegment }
  try {
    await replaceFile(file, `${JSON.stringify(state)}\n`, 0o600)
  } catch (error) {
    if (!isSystemError(error)) throw error
    throw stateError(
      file,
      `cannot be written in ${shown(dirname(file))}: ${messageOf(error)}`,
      error,
    )
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    // Told by the caller like any other content that is not ours.
    return undefined
  }
}

function stateError(file: string, why: string, cause?: unknown): LongshoreError {
  return new LongshoreError('usage', `--state: ${shown(file)} ${why}`, {
    hint: 'Give another file, or remove this one: the verification then starts at the beginning.',
    cause,
  })
}
