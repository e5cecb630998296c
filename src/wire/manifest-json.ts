import { type BytePath, bytePath, bytePathFromBytes } from '../base/byte-path.ts'
import {
  maxFileSizeBytes,
  maxFilesPerMessage,
  maxLabelBytes,
  maxPathBytes,
  maxTagBytes,
  maxTagsPerFile,
  protocolVersion,
} from './limits.ts'
import type { FileLabels, Manifest, ManifestFile } from './manifest.ts'
import { WireError } from './wire-error.ts'

/*
 * The manifest for clients that would rather write JSON:
 * { "version": 1, "files": [{ "path" | "path_base64", "size", "mtime_ns": "decimal", ...optional }] }
 * Nanoseconds are texts, since JSON's numbers end at 2^53. docs/protocol.md lists the members.
 */

/** @throws WireError `bad_manifest`, naming the member. */
export function decodeJsonManifest(encoded: Buffer): Manifest {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(encoded))
  } catch {
    throw bad('it is not JSON in UTF-8')
  }
  const { version, files } = objectOf(json, 'the manifest')
  if (version !== protocolVersion) throw bad(`"version" must be ${protocolVersion}`)
  if (!Array.isArray(files) || files.length === 0 || files.length > maxFilesPerMessage) {
    throw bad(`"files" must be a list of 1 to ${maxFilesPerMessage}`)
  }
  return { files: files.map((file, index) => decodeFile(file, `files[${index}]`)) }
}

function decodeFile(json: unknown, where: string): ManifestFile {
  const file = objectOf(json, where)
  const path = decodePath(file, 'path', where)
  if (path === undefined) throw bad(`${where} needs "path" or "path_base64"`)
  const { size } = file
  if (!Number.isSafeInteger(size) || (size as number) < 0 || (size as number) > maxFileSizeBytes) {
    throw bad(`${where}.size must be an integer from 0 to ${maxFileSizeBytes}`)
  }
  const mtimeNs = decodeNs(file.mtime_ns, `${where}.mtime_ns`)
  if (file.coding !== undefined && file.coding !== 'identity') {
    throw bad(`${where}.coding must be "identity"`)
  }
  const labels: FileLabels = {
    root: decodePath(file, 'root', where) ?? ('' as BytePath),
    contentType:
      decodeText(file.content_type, `${where}.content_type`) ?? 'application/octet-stream',
    tags: decodeTexts(file.tags, `${where}.tags`),
    datasetIds: decodeTexts(file.dataset_ids, `${where}.dataset_ids`),
    coding: 'identity',
    capture: null,
  }
  const ctimeNs =
    file.ctime_ns === undefined ? mtimeNs : decodeNs(file.ctime_ns, `${where}.ctime_ns`)
  return { path, sizeBytes: size as number, mtimeNs, ctimeNs, labels }
}

function decodePath(
  file: Record<string, unknown>,
  key: 'path' | 'root',
  where: string,
): BytePath | undefined {
  const text = file[key]
  const base64 = file[`${key}_base64`]
  if (text === undefined && base64 === undefined) return undefined
  if (text !== undefined && base64 !== undefined) {
    throw bad(`${where} has both "${key}" and "${key}_base64"`)
  }
  const path = base64 === undefined ? pathOfText(text) : pathOfBase64(base64)
  if (path === undefined) {
    throw bad(`${where}.${key} must be a text, or ${key}_base64 its bytes in padded base64`)
  }
  // A path may be longer here than a name may be: then that file alone is rejected.
  if (path.length > (key === 'root' ? maxPathBytes : maxPathBytes * 2)) {
    throw bad(`${where}.${key} is too long`)
  }
  return path
}

function pathOfText(value: unknown): BytePath | undefined {
  return typeof value === 'string' && value.isWellFormed() ? bytePath(value) : undefined
}

function pathOfBase64(value: unknown): BytePath | undefined {
  if (typeof value !== 'string') return undefined
  const bytes = Buffer.from(value, 'base64')
  // Node skips what is not base64: such a name would be stored as another one.
  return bytes.toString('base64') === value ? bytePathFromBytes(bytes) : undefined
}

function decodeNs(value: unknown, where: string): bigint {
  if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) {
    const ns = BigInt(value)
    if (BigInt.asIntN(64, ns) === ns) return ns
  }
  throw bad(`${where} must be nanoseconds since 1970 as a decimal text`)
}

function decodeTexts(value: unknown, where: string): string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > maxTagsPerFile) {
    throw bad(`${where} must be a list of at most ${maxTagsPerFile} texts`)
  }
  const texts = value.map((each) => decodeText(each, where, maxTagBytes) ?? '')
  return [...new Set(texts)].sort()
}

function decodeText(value: unknown, where: string, maxBytes = maxLabelBytes): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.isWellFormed() && Buffer.byteLength(value) <= maxBytes) {
    return value
  }
  throw bad(`${where} must be a text of at most ${maxBytes} bytes in UTF-8`)
}

function objectOf(json: unknown, where: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw bad(`${where} must be an object`)
  }
  return json as Record<string, unknown>
}

function bad(message: string): WireError {
  return new WireError('bad_manifest', `the manifest cannot be used: ${message}`)
}
