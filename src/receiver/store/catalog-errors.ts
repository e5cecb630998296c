import { LongshoreError, messageOf } from '../../base/errors.ts'

/** https://sqlite.org/rescode.html: PERM, BUSY, READONLY, IOERR, FULL, CANTOPEN. */
const codesOfTheSystem = new Set([3, 5, 8, 10, 13, 14])

/** What a person can do about an error of `node:sqlite` or of what a row holds. */
export function catalogError(file: string, error: unknown): LongshoreError {
  if (error instanceof LongshoreError) return error
  const { errcode } = error as { readonly errcode?: number }
  const what = `cannot read the catalog ${file}: ${messageOf(error)}`
  if (errcode !== undefined && codesOfTheSystem.has(errcode & 0xff)) {
    return new LongshoreError('data_folder_unusable', what, {
      hint: 'Check the rights, the free space and the disk of the data folder.',
      cause: error,
    })
  }
  return new LongshoreError('data_damaged', what, {
    hint: 'The segments hold everything: stop the receiver and run longshore receiver rebuild.',
    cause: error,
  })
}

export function noCatalogYet(file: string): LongshoreError {
  return new LongshoreError('data_folder_unusable', `there is no catalog yet at ${file}`, {
    hint: 'Start the receiver: it makes one.',
  })
}

export function newerCatalog(file: string, found: number, known: number): LongshoreError {
  return new LongshoreError(
    'data_folder_newer',
    `${file} has schema ${found}; this Longshore reads up to ${known}`,
    { hint: 'Use the Longshore that wrote it, or a newer one.' },
  )
}
