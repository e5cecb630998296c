import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A folder of one process on a disk that is soon full: a tmpfs where a user may mount one for
 * processes of his own. Elsewhere a limit on the size of each file that the process writes stands in
 * for it: to the process that wants to write it is much the same, an error in the middle of a file.
 */
export class SmallDisk {
  /** True where other files can take the room too, and where it can be made read-only. */
  static readonly isReal: boolean =
    spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/tmp']).status === 0
  readonly #folder: string
  readonly #sizeBytes: number
  readonly #isReadOnly: boolean

  /** What the folder holds when the process starts is there for it too. */
  constructor(
    folder: string,
    sizeBytes: number,
    { readOnly = false }: { readonly readOnly?: boolean } = {},
  ) {
    this.#folder = folder
    this.#sizeBytes = sizeBytes
    this.#isReadOnly = readOnly
  }

  /** Starts the process that is to see it. */
  get launcher(): readonly string[] {
    if (!SmallDisk.isReal) return ['prlimit', `--fsize=${this.#sizeBytes}:unlimited`]
    const script = `set -e
      mount -t tmpfs -o size=${this.#sizeBytes} none /mnt
      cp -a "$0/." /mnt
      mount --move /mnt "$0"
      ${this.#isReadOnly ? 'mount -o remount,ro "$0"' : ''}
      exec "$@"`
    return ['unshare', '-rm', 'sh', '-c', script, this.#folder]
  }

  /** What the process sees in the folder, for others. */
  seenBy(pid: number, name = ''): string {
    const path = join(this.#folder, name)
    return SmallDisk.isReal ? join(`/proc/${pid}/root`, path) : path
  }

  /** Takes all the room that is left. */
  fill(pid: number): void {
    if (!SmallDisk.isReal) return limitFiles(pid, '0')
    const chunk = Buffer.alloc(64 * 1024)
    const ballast = this.seenBy(pid, 'ballast.tmp')
    if (!existsSync(ballast)) writeFileSync(ballast, '')
    for (;;) {
      try {
        writeFileSync(ballast, chunk, { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return
        throw error
      }
    }
  }

  /** Makes room for whatever may come. */
  makeRoom(pid: number): void {
    if (SmallDisk.isReal) this.#remount(pid, 'size=1g')
    else limitFiles(pid, 'unlimited')
  }

  /** Only where it is real. */
  makeReadOnly(pid: number): void {
    this.#remount(pid, 'ro')
  }

  makeWritable(pid: number): void {
    this.#remount(pid, 'rw')
  }

  #remount(pid: number, options: string): void {
    runWhere(pid, 'mount', '-o', `remount,${options}`, this.#folder)
  }
}

/** Runs a command that changes the mounts of a process which `unshare -rm` has started. */
export function runWhere(pid: number, ...command: readonly string[]): void {
  run('nsenter', ['--preserve-credentials', '-U', '-m', '-t', String(pid), ...command])
}

function limitFiles(pid: number, limit: string): void {
  run('prlimit', ['--pid', String(pid), `--fsize=${limit}:unlimited`])
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}
