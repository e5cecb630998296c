import { NotDurableError } from './group-commit.ts'

/** What the disk or the catalog refuses before anything refers to the bytes. @throws NotDurableError */
export async function durably<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new NotDurableError('a segment or the catalog failed', { cause, mayBeEntered: false })
  }
}
