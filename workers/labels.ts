import { type BytePath, nameOf, parentOf } from '../src/base/byte-path.ts'
import { type CaptureHeader, parseCaptureHeader } from '../src/capture/capture-header.ts'
import { contentTypeOf } from '../src/capture/content-type.ts'
import { folderLabels, type Labels, mergeLabels } from '../src/capture/path-labels.ts'
import { maxLabelBytes, maxTagBytes, maxTagsPerFile } from '../src/wire/limits.ts'
import type { CaptureLabels, FileLabels } from '../src/wire/manifest.ts'
import type { ShardFile } from '../src/wire/thread-messages.ts'

/** What the files of one folder share. */
interface FolderMemory {
  readonly fromPath: Labels
  /** Of arbitrary files, by content type. */
  readonly byContentType: Map<string, FileLabels>
  /** Of the last capture file: the next one nearly always begins with the same bytes. */
  lastHeader: { readonly bytes: Buffer; readonly labels: FileLabels } | undefined
}

const rememberedFolders = 1000
/** A capture header may be long; what of it goes along must leave room in a manifest. */
const maxCaptureBytes = 256 * 1024

/**
 * What the manifest says of a file beyond its name and times, from its path and the first bytes of its
 * content. Files of one folder that are labelled alike get the same object, which the manifest then
 * writes once. What the receiver would not take is left out: labels must not keep a file here.
 */
export class Labeller {
  readonly #tags: readonly string[]
  readonly #folders = new Map<BytePath, FolderMemory>()

  constructor(tags: readonly string[]) {
    this.#tags = tags
  }

  /** @param start - The beginning of the file: enough for a capture file's header record. */
  labelsOf(file: ShardFile, start: Buffer): FileLabels {
    const folder = this.#folderOf(file)
    const fromHeader = file.kind === 'capture' ? this.#fromHeader(file, folder, start) : undefined
    return fromHeader ?? this.#fromName(file, folder)
  }

  #folderOf({ path, root }: ShardFile): FolderMemory {
    const folder = parentOf(path)
    let memory = this.#folders.get(folder)
    if (memory === undefined) {
      if (this.#folders.size >= rememberedFolders) this.#folders.clear()
      const fromPath = folderLabels(root, folder)
      memory = { fromPath, byContentType: new Map(), lastHeader: undefined }
      this.#folders.set(folder, memory)
    }
    return memory
  }

  #fromName({ path, root }: ShardFile, folder: FolderMemory): FileLabels {
    const contentType = contentTypeOf(nameOf(path) as BytePath)
    let labels = folder.byContentType.get(contentType)
    if (labels === undefined) {
      labels = this.#labels(root, contentType, mergeLabels(folder.fromPath, this.#tags), null)
      folder.byContentType.set(contentType, labels)
    }
    return labels
  }

  #fromHeader({ path, root }: ShardFile, folder: FolderMemory, start: Buffer) {
    const { lastHeader } = folder
    if (lastHeader !== undefined && startsWith(start, lastHeader.bytes)) return lastHeader.labels
    const header = parseCaptureHeader(start)
    if (header === undefined || 'needBytes' in header) return undefined
    const contentType = contentTypeOf(nameOf(path) as BytePath, header)
    const labels = this.#labels(
      root,
      contentType,
      mergeLabels(folder.fromPath, this.#tags, header.tags),
      captureLabels(header),
    )
    const bytes = Buffer.from(start.subarray(0, recordLength(start)))
    folder.lastHeader = { bytes, labels }
    return labels
  }

  #labels(
    root: BytePath,
    contentType: string,
    { tags, datasetIds }: Labels,
    capture: CaptureLabels | null,
  ): FileLabels {
    return {
      root,
      contentType,
      tags: withinLimits(tags),
      datasetIds: withinLimits(datasetIds),
      coding: 'identity',
      capture,
    }
  }
}

function startsWith(bytes: Buffer, start: Buffer): boolean {
  return (
    bytes.length >= start.length && bytes.compare(start, 0, start.length, 0, start.length) === 0
  )
}

/** Of a header record that has been read: its length prefix (a uvarint) and what that announces. */
function recordLength(start: Buffer): number {
  let length = 0
  for (let at = 0; ; at += 1) {
    const byte = start[at]!
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return at + 1 + length
  }
}

function withinLimits(texts: readonly string[]): readonly string[] {
  const fits = (text: string) => Buffer.byteLength(text) <= maxTagBytes
  if (texts.length <= maxTagsPerFile && texts.every(fits)) return texts
  return texts.filter(fits).slice(0, maxTagsPerFile)
}

function captureLabels({ tags: _, ...header }: CaptureHeader): CaptureLabels | null {
  const { componentType, componentName, methodName, fileExtension, mimeType } = header
  const texts = [componentType, componentName, methodName, fileExtension, mimeType]
  for (const { name, typeUrl } of header.methodParameters) texts.push(name, typeUrl)
  if (texts.some((text) => Buffer.byteLength(text) > maxLabelBytes)) return null
  if (header.methodParameters.length > maxTagsPerFile) return null
  const valueBytes = header.methodParameters.reduce((sum, { value }) => sum + value.length, 0)
  const textBytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  return valueBytes + textBytes > maxCaptureBytes ? null : header
}
