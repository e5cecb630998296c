import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { workerEntryUrl } from '../../workers/entry-url.ts'

/**
 * A disk that cannot be read everywhere, for worker threads with this entry: between them and the
 * kernel, what reads files gives an error from a certain byte of certain files on. No file system that
 * any user may mount does that.
 */
export class BadSectors {
  readonly #folder = mkdtempSync(join(tmpdir(), 'longshore-bad-sectors-'))
  readonly #list = join(this.#folder, 'list.json')
  readonly workerEntryUrl: URL
  readonly #bad = new Map<string, { readonly fromByte: number; readonly errno: string }>()

  constructor() {
    const entry = join(this.#folder, 'entry.ts')
    writeFileSync(entry, entrySource(this.#list))
    this.#publish()
    this.workerEntryUrl = pathToFileURL(entry)
  }

  /** From now on reading this file fails from that byte on. */
  at(path: string, fromByte: number, errno = 'EIO'): void {
    this.#bad.set(path, { fromByte, errno })
    this.#publish()
  }

  mend(): void {
    this.#bad.clear()
    this.#publish()
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }

  #publish(): void {
    writeFileSync(`${this.#list}.new`, JSON.stringify([...this.#bad]))
    renameSync(`${this.#list}.new`, this.#list)
  }
}

function entrySource(list: string): string {
  return `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { readSync, readFileSync, readlinkSync } = fs
/** How much of what is wanted can be read. Throws where nothing can. */
function readable(fd, length, position) {
  const bad = new Map(JSON.parse(readFileSync(${JSON.stringify(list)}, 'utf8')))
  const sector = bad.get(readlinkSync('/proc/self/fd/' + fd))
  if (sector === undefined) return length
  if (position >= sector.fromByte) {
    throw Object.assign(new Error(sector.errno + ': read'), { code: sector.errno, syscall: 'read' })
  }
  return Math.min(length, sector.fromByte - position)
}
fs.readSync = (fd, buffer, offset, length, position) =>
  readSync(fd, buffer, offset, readable(fd, length, position), position)
syncBuiltinESMExports()
const handle = await fs.promises.open('/proc/self/stat')
const prototype = Object.getPrototypeOf(handle)
await handle.close()
const { read } = prototype
prototype.read = async function (buffer, offset, length, position) {
  return read.call(this, buffer, offset, readable(this.fd, length, position), position)
}
export { default } from ${JSON.stringify(workerEntryUrl.href)}
`
}
