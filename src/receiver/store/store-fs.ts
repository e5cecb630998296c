import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'

/** A file that the store has open. */
export interface StoreFile extends AsyncDisposable {
  read(
    buffer: Buffer,
    offset: number,
    sizeBytes: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>
  write(
    buffer: Buffer,
    offset: number,
    sizeBytes: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>
  writev(buffers: Buffer[], position: number): Promise<{ readonly bytesWritten: number }>
  truncate(sizeBytes: number): Promise<void>
  /** Its bytes and its size are on stable storage then, but not its name. */
  datasync(): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * The seam for the file system under the segments: what the store calls, as in node:fs/promises. Tests
 * put one under it that models what a power cut leaves.
 */
export interface StoreFs {
  open(path: string, flags: string | number, mode?: number): Promise<StoreFile>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  readdir(path: string): Promise<string[]>
  stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }>
  readFile(path: string): Promise<Buffer>
  mkdir(
    path: string,
    options: { readonly recursive: true; readonly mode: number },
  ): Promise<unknown>
}

export const nodeFs: StoreFs = { open, rename, unlink, readdir, stat, readFile, mkdir }
