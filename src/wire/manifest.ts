import type { BytePath } from '../base/byte-path.ts'

/**
 * What an upload says of its files before their bytes. Encoded by `manifest-codec.ts`; the upload id
 * is the BLAKE3 of the encoded bytes.
 */
export interface Manifest {
  readonly files: readonly ManifestFile[]
}

export interface ManifestFile {
  /** Absolute path on the device. */
  readonly path: BytePath
  readonly sizeBytes: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Files of one folder usually share one object, which is then written once. */
  readonly labels: FileLabels
}

export interface FileLabels {
  /** The root that the file was found below: absolute, or empty when the sender has none. */
  readonly root: BytePath
  readonly contentType: string
  /** Sorted, without duplicates. */
  readonly tags: readonly string[]
  readonly datasetIds: readonly string[]
  /** How the bytes of the part relate to the bytes of the file. */
  readonly coding: 'identity'
  /** What the header record of a capture file says, null for an arbitrary file. */
  readonly capture: CaptureLabels | null
}

export interface CaptureLabels {
  readonly componentType: string
  readonly componentName: string
  readonly methodName: string
  /** Viam's DataType: 1 binary sensor, 2 tabular sensor, 3 file. */
  readonly type: number
  /** Sorted by name. */
  readonly methodParameters: readonly MethodParameter[]
  readonly fileExtension: string
  readonly mimeType: string
}

/** One entry of Viam's `map<string, google.protobuf.Any>`. */
export interface MethodParameter {
  readonly name: string
  readonly typeUrl: string
  readonly value: Uint8Array
}
