import { spawn } from 'node:child_process'
import { createReadStream, type Dirent } from 'node:fs'
import { cp, lstat, readdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type BytePath, bytePathFromBytes, fsPath, joinPath } from '../../src/base/byte-path.ts'
import { formatBytes } from '../../src/base/format.ts'
import { type Digest, StreamHasher } from '../../src/base/hash.ts'
import { defaultExclude, excludeMatcher } from '../../src/scan/exclude.ts'

/** A file that must arrive. */
export interface Produced {
  readonly path: BytePath
  readonly sizeBytes: number
  readonly digest: Digest
}

export type Production = ReadonlyMap<BytePath, Produced>

/** Runs the producer for so long; what it has finished is in `into` at any time. */
export async function produce(
  captureDir: string,
  logDir: string,
  seconds: number,
  into: Map<BytePath, Produced>,
): Promise<void> {
  const script = fileURLToPath(new URL('./producer.ts', import.meta.url))
  const child = spawn(process.execPath, [script, captureDir, logDir, String(seconds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('exit', resolve)
    child.once('error', reject)
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const { path, size, blake3 } = JSON.parse(line)
    into.set(path, { path, sizeBytes: size, digest: blake3 })
  }
  const code = await exited
  if (code !== 0) throw new Error(`the producer ended with status ${code}`)
}

export interface CopiedFolder {
  readonly production: Production
  /** Files that stay on purpose, counted by why. */
  readonly staying: ReadonlyMap<string, number>
}

/** What is needed for a copy, for what the receiver stores, and for what it exports. */
const copies = 3

/**
 * Copies a person's folder and notes what must arrive of it. The folder itself is only read.
 *
 * @throws Error when it is no folder, or there is not enough space
 */
export async function copyFolder(from: string, to: string): Promise<CopiedFolder> {
  const stats = await lstat(from)
  if (!stats.isDirectory()) throw new Error(`${from} is not a folder`)
  let sizeBytes = 0
  for await (const { size } of regularFiles(bytePathFromBytes(Buffer.from(from)), () => {})) {
    sizeBytes += size
  }
  const { bavail, bsize } = await statfs(join(to, '..'))
  const neededBytes = sizeBytes * copies * 1.05
  if (bavail * bsize < neededBytes) {
    throw new Error(
      `${from} has ${formatBytes(sizeBytes)}, for which the demo needs ${formatBytes(neededBytes)}; ` +
        `${formatBytes(bavail * bsize)} are free in ${to}. Set TMPDIR to a larger disk.`,
    )
  }
  await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  const staying = new Map<string, number>()
  const production = new Map<BytePath, Produced>()
  const stays = (why: string) => staying.set(why, (staying.get(why) ?? 0) + 1)
  for await (const { path, size } of regularFiles(bytePathFromBytes(Buffer.from(to)), stays)) {
    production.set(path, { path, sizeBytes: size, digest: await digestOf(path) })
  }
  return { production, staying }
}

const isExcluded = excludeMatcher(defaultExclude)

/** The files that Longshore is to sync, by its documented rules; `stays` is told of the others. */
async function* regularFiles(
  folder: BytePath,
  stays: (why: string) => void,
): AsyncGenerator<{ readonly path: BytePath; readonly size: number }> {
  const entries = (await readdir(fsPath(folder), {
    withFileTypes: true,
    encoding: 'latin1' as 'utf8',
  })) as Dirent[]
  for (const entry of entries) {
    const path = joinPath(folder, entry.name)
    if (entry.isDirectory()) {
      if (entry.name === 'failed' || entry.name === 'datasetUpload') stays('folder set aside')
      else yield* regularFiles(path, stays)
    } else if (!entry.isFile()) stays('symbolic link or special file')
    else if (isExcluded(entry.name)) stays('excluded by its name')
    else {
      const { size } = await lstat(fsPath(path))
      if (size === 0) stays('empty')
      else yield { path, size }
    }
  }
}

export async function digestOf(path: BytePath): Promise<Digest> {
  const hasher = new StreamHasher()
  for await (const bytes of createReadStream(fsPath(path))) hasher.update(bytes)
  return hasher.digest()
}
