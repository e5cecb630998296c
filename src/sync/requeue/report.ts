import type { BytePath } from '../../base/byte-path.ts'

/** Told of each file and folder that requeue comes across. `note`s and `why`s are for people. */
export interface RequeueReport {
  moved(from: BytePath, to: BytePath, note: string | undefined): void
  /** It stays, and that is as it should be. */
  left(path: BytePath, why: string): void
  /** It stays, and should not. */
  failed(path: BytePath, why: string): void
  /** What a person named is nothing that was set aside. */
  notFound(path: BytePath, why: string): void
  /** A sidecar whose file had gone before was removed. */
  tidied(sidecar: BytePath): void
}
