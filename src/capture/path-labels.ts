import { type BytePath, isAtOrBelow, pathBytes } from '../base/byte-path.ts'

/** What a file is to be found by at the receiver. Both sorted, without repetition. */
export interface Labels {
  readonly tags: readonly string[]
  readonly datasetIds: readonly string[]
}

const tagPrefix = 'tag='
const datasetPrefix = 'dataset='

/**
 * The labels that the folders `tag=<text>` and `dataset=<id>` below `root`, down to and including
 * `folder`, put on every file in `folder`. The same for all files of a folder, so worth keeping per
 * folder. Viam also reads them from segments above the root (rdk, upload_arbitrary_file.go); here a
 * root's own place in the file system labels nothing. Text is trimmed; what is then empty, or not
 * UTF-8, is dropped.
 */
export function folderLabels(root: BytePath, folder: BytePath): Labels {
  if (!isAtOrBelow(folder, root)) return { tags: [], datasetIds: [] }
  const segments = folder.slice(root.length).split('/')
  return {
    tags: valuesOf(segments, tagPrefix),
    datasetIds: valuesOf(segments, datasetPrefix),
  }
}

/** All labels of a file: its folder's, the config's tags, and the tags in a capture file's header. */
export function mergeLabels(
  folder: Labels,
  configTags: readonly string[],
  headerTags: readonly string[] = [],
): Labels {
  if (configTags.length === 0 && headerTags.length === 0) return folder
  return {
    tags: sortedUnique([...folder.tags, ...configTags, ...headerTags]),
    datasetIds: folder.datasetIds,
  }
}

function valuesOf(segments: readonly string[], prefix: string): string[] {
  const values = segments
    .filter((segment) => segment.startsWith(prefix))
    .map((segment) => textOf(segment.slice(prefix.length) as BytePath))
  return sortedUnique(values.filter((value) => value !== ''))
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(value: BytePath): string {
  try {
    return utf8.decode(pathBytes(value)).trim()
  } catch {
    return ''
  }
}

function sortedUnique(values: readonly string[]): string[] {
  return [...new Set(values)].sort()
}
