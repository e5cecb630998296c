import { bytePath, showPath } from '../../base/byte-path.ts'
import { errnoOf, LongshoreError, messageOf } from '../../base/errors.ts'

/** A path that came as text, for people. */
export function shown(path: string): string {
  return showPath(bytePath(path))
}

/** The error for a data folder that cannot be one. `why` is a clause without a full stop. */
export function unusableFolder(folder: string, why: string, cause?: unknown): LongshoreError {
  return new LongshoreError(
    'data_folder_unusable',
    `${shown(folder)} cannot be used as the receiver's data folder: ${why}.`,
    {
      hint: 'Give with --data a folder that a receiver made, or a new or empty one on a local Linux file system (such as ext4) that this user can write.',
      cause,
    },
  )
}

/**
 * Runs an action on a part of the data folder; what the system refuses (no permission, no space, a
 * vanished folder) becomes `data_folder_unusable`. Other errors pass.
 */
export async function onDataFolder<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (!isSystemError(error)) throw error
    throw new LongshoreError(
      'data_folder_unusable',
      `${shown(path)} in the receiver's data folder cannot be read or written: ${messageOf(error)}.`,
      {
        hint: 'Run the receiver and its commands as one user, and check the rights, the free space and the file system of the folder.',
        cause: error,
      },
    )
  }
}

/** True for errors of the operating system, such as `ENOSPC`; Node's own are `ERR_...`. */
export function isSystemError(error: unknown): boolean {
  return /^E[A-Z0-9]+$/.test(errnoOf(error) ?? '')
}
