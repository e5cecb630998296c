import { constants, opendirSync, statSync } from 'node:fs'
import { type Clock, systemClock } from '../base/clock.ts'
import { Slice } from '../base/slice.ts'
import { loopImages } from './loop-images.ts'
import { hasVanished, pidsIn, readProcFile } from './proc.ts'

/** Which files some process has open for writing, as far as it can be seen from here. */
export interface OpenWriters {
  /** True when the file with this device and inode number is open for writing. */
  has(dev: bigint, ino: bigint): boolean
  /**
   * How many processes could not be looked into for lack of rights. Where /proc hides them
   * altogether (`hidepid=2`), all of those count as one.
   */
  readonly blindTo: number
  /** When the look began, on the monotonic clock: what was opened later is not in it. */
  readonly takenAtMs: number
}

export interface OpenWritersOptions {
  readonly procRoot?: string
  readonly blockDevices?: string
  readonly clock?: Clock
}

/**
 * Looks through the descriptors of all processes for those that can write. Needs no more than
 * kernel 5.10: the access mode is in /proc/PID/fdinfo/N, the file's identity behind /proc/PID/fd/N.
 * Runs in slices of at most 10 ms. Not seen: a process that closed its descriptor and writes through
 * a shared mapping, and other machines that write to a network mount.
 */
export async function lookUpOpenWriters(options: OpenWritersOptions = {}): Promise<OpenWriters> {
  const { procRoot = '/proc', blockDevices = '/sys/block', clock = systemClock } = options
  const takenAtMs = clock.monotonicMs()
  const writers = new Set<string>()
  const pids = pidsIn(procRoot)
  let blindTo = pids.includes('1') ? 0 : 1
  const slice = new Slice(clock)
  for (const pid of pids) {
    if (!(await collectWriters(`${procRoot}/${pid}`, writers, slice))) blindTo++
    if (slice.isOver()) await slice.next()
  }
  for (const { dev, ino } of loopImages(blockDevices)) writers.add(`${dev}:${ino}`)
  return { has: (dev, ino) => writers.has(`${dev}:${ino}`), blindTo, takenAtMs }
}

/** Adds what this process has open for writing; false when it would not let us look. */
async function collectWriters(
  process: string,
  writers: Set<string>,
  slice: Slice,
): Promise<boolean> {
  let sawAll = true
  try {
    const directory = opendirSync(`${process}/fdinfo`, { bufferSize: 128 })
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        sawAll = collectIfWriter(process, entry.name, writers) && sawAll
        if (slice.isOver()) await slice.next()
      }
    } finally {
      directory.closeSync()
    }
  } catch (error) {
    return hasVanished(error) || isWithoutFiles(process)
  }
  return sawAll
}

const fdinfoBytes = 256
const flagsLine = /^flags:\s*([0-7]+)$/m
/** O_ACCMODE, which node:fs does not name. */
const accessModeMask = 3

function collectIfWriter(process: string, fd: string, writers: Set<string>): boolean {
  try {
    const flags = flagsLine.exec(readProcFile(`${process}/fdinfo/${fd}`, fdinfoBytes))?.[1]
    const mode = Number.parseInt(flags ?? '0', 8) & accessModeMask
    if (mode !== constants.O_WRONLY && mode !== constants.O_RDWR) return true
    const file = statSync(`${process}/fd/${fd}`, { bigint: true })
    if (file.isFile()) writers.add(`${file.dev}:${file.ino}`)
    return true
  } catch (error) {
    return hasVanished(error)
  }
}

const kernelThreadFlag = 0x0020_0000

/** Kernel threads and zombies have no descriptors: not being let in there hides nothing. */
function isWithoutFiles(process: string): boolean {
  try {
    const stat = readProcFile(`${process}/stat`, 1024)
    // proc(5): pid (comm) state ppid pgrp session tty_nr tpgid flags; comm may hold anything.
    const [state, , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || (Number(flags) & kernelThreadFlag) !== 0
  } catch (error) {
    return hasVanished(error)
  }
}
