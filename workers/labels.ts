import { type BytePath, nameOf, parentOf } from '../src/base/byte-path.ts'
import { parseCaptureHeader } from '../src/capture/capture-header.ts'
import { contentTypeOf } from '../src/capture/content-type.ts'
import { folderLabels, mergeLabels } from '../src/capture/path-labels.ts'
import type { FileLabels } from '../src/wire/manifest.ts'
import type { ShardFile } from '../src/wire/thread-messages.ts'

/**
 * What the manifest says of a file beyond its name and times, from its path and the first bytes of its
 * content. Files of one folder that are labelled alike get the same object, which the manifest then
 * writes once.
 */
export class Labeller {
  readonly #tags: readonly string[]
  readonly #shared = new Map<string, FileLabels>()

  constructor(tags: readonly string[]) {
    this.#tags = tags
  }

  /** @param start - The beginning of the file: enough for a capture file's header record. */
  labelsOf({ path, root, kind }: ShardFile, start: Buffer): FileLabels {
    const folder = parentOf(path)
    const header = kind === 'capture' ? parseCaptureHeader(start) : undefined
    const capture = header === undefined || 'needBytes' in header ? undefined : header
    const contentType = contentTypeOf(nameOf(path) as BytePath, capture)
    if (capture !== undefined) {
      const { tags: headerTags, ...fields } = capture
      const { tags, datasetIds } = mergeLabels(folderLabels(root, folder), this.#tags, headerTags)
      return this.#share(folder, {
        root,
        contentType,
        tags,
        datasetIds,
        coding: 'identity',
        capture: fields,
      })
    }
    const { tags, datasetIds } = mergeLabels(folderLabels(root, folder), this.#tags)
    return this.#share(folder, {
      root,
      contentType,
      tags,
      datasetIds,
      coding: 'identity',
      capture: null,
    })
  }

  #share(folder: BytePath, labels: FileLabels): FileLabels {
    const key = `${folder}\0${JSON.stringify(labels, bytesAsText)}`
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    if (this.#shared.size >= 1000) this.#shared.clear()
    this.#shared.set(key, labels)
    return labels
  }
}

function bytesAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}
