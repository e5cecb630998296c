/** Limits of the protocol. Both ends keep to them; docs/protocol.md lists them. */

export const protocolVersion = 1

const KiB = 1024
const MiB = 1024 * KiB

/** A file of more than this goes as an upload of its own, and is resumable. */
export const singleUploadAboveBytes = MiB

/** A bundle: at most this much payload, but at least one file. */
export const bundlePayloadBytes = MiB
export const maxFilesPerMessage = 1024

/** A message that is held in memory until it is complete. A longer one has a segment of its own. */
export const maxBundleMessageBytes = 4 * MiB

export const maxManifestBytes = MiB
export const maxPartHeaderBytes = 4 * KiB
export const maxFileSizeBytes = 2 ** 50

/** Linux's PATH_MAX and NAME_MAX. */
export const maxPathBytes = 4096
export const maxSegmentBytes = 255

export const maxTagsPerFile = 256
export const maxTagBytes = 1024
export const maxLabelBytes = 4096
export const maxParameterBytes = 64 * KiB

/** Tags, dataset ids and method parameters of all labels together: a few bytes each, which cost 300. */
export const maxLabelEntriesPerManifest = 32 * 1024

export const digestBytes = 32
export const manifestContentType = 'application/vnd.msgpack'
