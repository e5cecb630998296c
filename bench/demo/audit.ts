import { lstat } from 'node:fs/promises'
import { type BytePath, bytePath, fsPath, showPath } from '../../src/base/byte-path.ts'
import { errnoOf } from '../../src/base/errors.ts'
import { longshoreCommand } from '../../test/support/longshore-process.ts'
import { digestOf, type Production } from './produced.ts'

export interface Audit {
  /** Neither at the receiver with the very bytes that were produced, nor still on the device. */
  readonly lost: readonly string[]
  /** Still on the device. */
  readonly left: readonly string[]
}

/** Exports everything from the receiver and hashes it again, file by file. */
export async function audit(
  dataDir: string,
  machine: string,
  exportDir: string,
  production: Production,
): Promise<Audit> {
  await longshoreCommand('receiver', 'export', '--data', dataDir, '--to', exportDir)
  const lost: string[] = []
  const left: string[] = []
  for (const { path, digest } of production.values()) {
    const exported = `${bytePath(exportDir)}/${machine}${path}` as BytePath
    const isLeft = await exists(path)
    if (isLeft) left.push(showPath(path))
    const arrived = await digestIfThere(exported)
    const isOnlyThere = isLeft && arrived === undefined
    if (arrived !== digest && !isOnlyThere) lost.push(showPath(path))
  }
  return { lost, left }
}

async function digestIfThere(path: BytePath): Promise<string | undefined> {
  try {
    return await digestOf(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

export async function exists(path: BytePath): Promise<boolean> {
  try {
    await lstat(fsPath(path))
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}
