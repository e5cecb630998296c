import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import type { TempFolder } from './temp-folder.ts'

const blockBytes = 1024 * 1024

/** Lets the disk finish what was given to it before. */
export function writeOut(temp: TempFolder): void {
  execFileSync('sync', ['-f', temp.path])
}

/**
 * Makes as many free pages of memory warm as a job will fill. A virtual machine gets pages that it has
 * not used lately from its host one by one, which makes filling a page cache several times as slow; who
 * runs after somebody who freed many would win by that alone.
 */
export function warmPages(temp: TempFolder, sizeBytes: number): void {
  const path = temp.file('pages')
  const block = Buffer.alloc(blockBytes)
  const fd = openSync(path, 'w')
  try {
    for (let at = 0; at < sizeBytes; at += blockBytes) writeSync(fd, block)
  } finally {
    closeSync(fd)
    rmSync(path)
  }
}
