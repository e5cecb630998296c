import {
  type BytePath,
  isAtOrBelow,
  joinPath,
  nameOf,
  parentOf,
  segmentsBelow,
} from '../../base/byte-path.ts'

export const failedFolderName = 'failed'
export const sidecarEnding = '.why.json'
/** Viam's, for what is uploaded into a dataset; nobody sets anything aside below it. */
export const datasetFolderName = 'datasetUpload'
const maxNameBytes = 255
/** A name and its sidecar's both have room. */
const maxStemBytes = maxNameBytes - sidecarEnding.length
/** So many names are tried for a file whose own is taken. */
export const maxSuffix = 1000

/**
 * Where a file is set aside (Viam: sync.go, moveFailedData): a capture file below
 * `<capture_dir>/failed` in the folders it had, any other in a `failed` beside it.
 */
export function quarantineFolder(path: BytePath, captureDir: BytePath): BytePath {
  const folder = parentOf(path)
  if (!path.endsWith('.capture') || !isAtOrBelow(folder, captureDir)) {
    return joinPath(folder, failedFolderName)
  }
  return `${captureDir}/${failedFolderName}${folder.slice(captureDir.length)}` as BytePath
}

/** The name for the `suffix`th try; 0 is the name itself. All are short enough for a sidecar. */
export function nameWithSuffix(name: string, suffix: number): string {
  if (suffix === 0) return name
  const ending = `~${suffix}`
  return name.slice(0, maxStemBytes - ending.length) + ending
}

/** The sidecar of a file that was set aside. Those of names that differ late only may be the same. */
export function sidecarOf(file: BytePath): BytePath {
  return joinPath(parentOf(file), nameOf(file).slice(0, maxStemBytes) + sidecarEnding)
}

/** True when a file of this name may have got that one when it was set aside. */
export function mayBeNamed(name: string, asideName: string): boolean {
  return name === asideName || nameWithSuffix(name, suffixOf(asideName)) === asideName
}

/** The name without `~N`, as far as can be told without a sidecar. */
export function withoutSuffix(asideName: string): string {
  if (suffixOf(asideName) === 0) return asideName
  const name = asideName.slice(0, asideName.lastIndexOf('~'))
  return name === '.' || name === '..' ? asideName : name
}

/** 0 for none. */
function suffixOf(asideName: string): number {
  const digits = /[^/]~([1-9]\d{0,3})$/s.exec(asideName)?.[1]
  const suffix = digits === undefined ? 0 : Number(digits)
  return suffix < maxSuffix ? suffix : 0
}

/**
 * Where the files in a folder of files set aside have come from: the same path without its first
 * `failed` below the root, as both Longshore and Viam lay them out. Undefined for any other folder.
 */
export function folderOfOrigin(folder: BytePath, root: BytePath): BytePath | undefined {
  if (!isAtOrBelow(folder, root)) return undefined
  const segments = segmentsBelow(folder, root)
  const failed = segments.indexOf(failedFolderName)
  if (failed === -1 || segments.lastIndexOf(failedFolderName) !== failed) return undefined
  if (segments.includes(datasetFolderName)) return undefined
  return segments.toSpliced(failed, 1).reduce<BytePath>(joinPath, root)
}
