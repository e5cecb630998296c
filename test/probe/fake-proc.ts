import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FakeProcess {
  readonly comm?: string
  readonly argv?: readonly string[]
  readonly environment?: readonly string[]
  readonly cwd?: string
  /** The whole line of /proc/PID/stat. */
  readonly stat?: string
  /** By number: the open flags in octal, and what /proc/PID/fd/N points to. */
  readonly fds?: Readonly<Record<string, { readonly flags: string; readonly target: string }>>
}

/** A folder that looks like /proc, and room for files beside it. */
export class FakeProc {
  readonly folder = mkdtempSync(join(tmpdir(), 'longshore-proc-'))
  readonly root = join(this.folder, 'proc')

  constructor() {
    mkdirSync(this.root)
  }

  add(pid: number, process: FakeProcess = {}): string {
    const folder = join(this.root, String(pid))
    mkdirSync(join(folder, 'fd'), { recursive: true })
    mkdirSync(join(folder, 'fdinfo'))
    const { comm = 'x', argv = [], environment = [], stat = `${pid} (x) S 1 1 1 0 -1 0` } = process
    writeFileSync(join(folder, 'comm'), `${comm}\n`)
    writeFileSync(join(folder, 'cmdline'), argv.map((part) => `${part}\0`).join(''))
    writeFileSync(join(folder, 'environ'), environment.map((part) => `${part}\0`).join(''))
    writeFileSync(join(folder, 'stat'), `${stat}\n`)
    if (process.cwd !== undefined) symlinkSync(process.cwd, join(folder, 'cwd'))
    for (const [fd, { flags, target }] of Object.entries(process.fds ?? {})) {
      writeFileSync(join(folder, 'fdinfo', fd), `pos:\t0\nflags:\t${flags}\nmnt_id:\t24\n`)
      symlinkSync(target, join(folder, 'fd', fd))
    }
    return folder
  }

  /** Writes a file beside the fake /proc and gives its path. */
  file(name: string, text: string): string {
    const path = join(this.folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    return path
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
