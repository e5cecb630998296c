import { type BytePath, bytePathFromBytes, joinPath, nameOf, parentOf } from '../base/byte-path.ts'
import {
  maxFileSizeBytes,
  maxFilesPerMessage,
  maxLabelBytes,
  maxLabelEntriesPerManifest,
  maxParameterBytes,
  maxPathBytes,
  maxTagBytes,
  maxTagsPerFile,
  protocolVersion,
} from './limits.ts'
import type {
  CaptureLabels,
  FileLabels,
  Manifest,
  ManifestFile,
  MethodParameter,
} from './manifest.ts'
import { MsgpackError, MsgpackReader } from './msgpack-reader.ts'
import { MsgpackWriter } from './msgpack-writer.ts'
import { WireError } from './wire-error.ts'

/*
 * manifest := [version, folders, labels, files]
 * folders  := [folder ...]                 each the absolute path of a folder, as bytes
 * labels   := [[root, content type, tags, dataset ids, coding, capture or nil] ...]
 * capture  := [component type, component name, method name, type, parameters, extension, mime type]
 * file     := [folder's index, name, size, mtime ns, ctime ns, labels' index]
 *
 * Folders and labels stand once, however many files share them: a 4 KiB file must cost less than 5%
 * more on the wire than its bytes.
 */

/** The same manifest gives the same bytes, whichever objects it is made of. */
export function encodeManifest(manifest: Manifest): Buffer {
  const folders = new Map<string, number>()
  const labels = new DistinctLabels()
  for (const file of manifest.files) {
    const folder = parentOf(file.path)
    if (!folders.has(folder)) folders.set(folder, folders.size)
    labels.add(file.labels)
  }
  const out = new MsgpackWriter(256 + manifest.files.length * 96)
  out.array(4)
  out.int(protocolVersion)
  out.array(folders.size)
  for (const folder of folders.keys()) out.binaryFromLatin1(folder)
  out.array(labels.distinct.length)
  for (const each of labels.distinct) writeLabels(out, each)
  out.array(manifest.files.length)
  for (const file of manifest.files) {
    out.array(6)
    out.int(folders.get(parentOf(file.path))!)
    out.binaryFromLatin1(nameOf(file.path))
    out.int(file.sizeBytes)
    out.int(file.mtimeNs)
    out.int(file.ctimeNs)
    out.int(labels.indexOf(file.labels))
  }
  return out.bytes()
}

/** Numbers labels in the order of their first use: by object, which is cheap, then by content. */
class DistinctLabels {
  readonly distinct: FileLabels[] = []
  readonly #indexByObject = new Map<FileLabels, number>()
  readonly #indexByContent = new Map<string, number>()

  add(labels: FileLabels): void {
    if (this.#indexByObject.has(labels)) return
    const out = new MsgpackWriter(512)
    writeLabels(out, labels)
    const content = out.bytes().toString('latin1')
    let index = this.#indexByContent.get(content)
    if (index === undefined) {
      index = this.distinct.push(labels) - 1
      this.#indexByContent.set(content, index)
    }
    this.#indexByObject.set(labels, index)
  }

  /** Of labels that were added. */
  indexOf(labels: FileLabels): number {
    return this.#indexByObject.get(labels)!
  }
}

function writeLabels(out: MsgpackWriter, labels: FileLabels): void {
  out.array(6)
  out.binaryFromLatin1(labels.root)
  out.text(labels.contentType)
  writeTexts(out, labels.tags)
  writeTexts(out, labels.datasetIds)
  out.text(labels.coding)
  const { capture } = labels
  if (capture === null) return out.nil()
  out.array(7)
  out.text(capture.componentType)
  out.text(capture.componentName)
  out.text(capture.methodName)
  out.int(capture.type)
  out.array(capture.methodParameters.length)
  for (const parameter of capture.methodParameters) {
    out.array(3)
    out.text(parameter.name)
    out.text(parameter.typeUrl)
    out.binary(parameter.value)
  }
  out.text(capture.fileExtension)
  out.text(capture.mimeType)
}

function writeTexts(out: MsgpackWriter, texts: readonly string[]): void {
  out.array(texts.length)
  for (const text of texts) out.text(text)
}

/**
 * Decodes a manifest from the network. A path that is not allowed is no error here: that file alone is
 * rejected (`whyNameNotAllowed`).
 *
 * @throws WireError `bad_manifest`
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  try {
    return readManifest(new MsgpackReader(bytes))
  } catch (error) {
    if (error instanceof MsgpackError) {
      throw new WireError('bad_manifest', `the manifest cannot be read: ${error.message}`)
    }
    throw error
  }
}

function readManifest(from: MsgpackReader): Manifest {
  from.tuple(4)
  const version = from.uint(0xffff)
  if (version !== protocolVersion) {
    throw new MsgpackError(`its version is ${version}, this receiver reads ${protocolVersion}`)
  }
  const folders = readList(from, maxFilesPerMessage, () =>
    bytePathFromBytes(from.binary(maxPathBytes)),
  )
  const budget = { entries: maxLabelEntriesPerManifest }
  const labels = readList(from, maxFilesPerMessage, () => readLabels(from, budget))
  const files = readList(from, maxFilesPerMessage, () => readFile(from, folders, labels))
  from.end()
  if (files.length === 0) throw new MsgpackError('it names no file')
  return { files }
}

function readFile(
  from: MsgpackReader,
  folders: readonly BytePath[],
  labels: readonly FileLabels[],
): ManifestFile {
  from.tuple(6)
  const folder = entryOf(folders, from.uint(maxFilesPerMessage), 'folder')
  const name = bytePathFromBytes(from.binary(maxPathBytes))
  if (name.includes('/')) throw new MsgpackError('a file name holds a slash')
  return {
    path: joinPath(folder, name),
    sizeBytes: from.uint(maxFileSizeBytes),
    mtimeNs: from.bigint(),
    ctimeNs: from.bigint(),
    labels: entryOf(labels, from.uint(maxFilesPerMessage), 'labels'),
  }
}

function entryOf<T>(entries: readonly T[], index: number, what: string): T {
  const entry = entries[index]
  if (entry === undefined) throw new MsgpackError(`there is no ${what} number ${index}`)
  return entry
}

/** What labels may still hold, over the whole manifest. */
interface LabelBudget {
  entries: number
}

function readLabels(from: MsgpackReader, budget: LabelBudget): FileLabels {
  from.tuple(6)
  const root = bytePathFromBytes(from.binary(maxPathBytes))
  const contentType = from.text(maxLabelBytes)
  const tags = readEntries(from, budget, () => from.text(maxTagBytes))
  const datasetIds = readEntries(from, budget, () => from.text(maxTagBytes))
  const coding = from.text(maxLabelBytes)
  if (coding !== 'identity') throw new MsgpackError('its coding is not "identity"')
  return { root, contentType, tags, datasetIds, coding, capture: readCapture(from, budget) }
}

function readCapture(from: MsgpackReader, budget: LabelBudget): CaptureLabels | null {
  if (from.nilNext()) return null
  from.tuple(7)
  return {
    componentType: from.text(maxLabelBytes),
    componentName: from.text(maxLabelBytes),
    methodName: from.text(maxLabelBytes),
    type: from.uint(0xff),
    methodParameters: readEntries(from, budget, () => readParameter(from)),
    fileExtension: from.text(maxLabelBytes),
    mimeType: from.text(maxLabelBytes),
  }
}

function readParameter(from: MsgpackReader): MethodParameter {
  from.tuple(3)
  return {
    name: from.text(maxLabelBytes),
    typeUrl: from.text(maxLabelBytes),
    value: Buffer.from(from.binary(maxParameterBytes)),
  }
}

function readEntries<T>(from: MsgpackReader, budget: LabelBudget, readOne: () => T): T[] {
  const entries = readList(from, maxTagsPerFile, readOne)
  budget.entries -= entries.length
  if (budget.entries < 0) {
    throw new MsgpackError(`its labels have over ${maxLabelEntriesPerManifest} entries`)
  }
  return entries
}

function readList<T>(from: MsgpackReader, maxCount: number, readOne: () => T): T[] {
  const list: T[] = []
  for (let left = from.array(maxCount); left > 0; left -= 1) list.push(readOne())
  return list
}
