import { chownSync, lchownSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Makes a folder and all below it another user's. Only root does that for somebody else. */
export function giveTo(uid: number, folder: string): void {
  if (uid === process.geteuid!()) return
  chownSync(folder, uid, uid)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(folder, name), uid, uid)
  }
}
