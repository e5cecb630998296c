import { type BytePath, bytePath } from '../base/byte-path.ts'
import type { FileLabels } from './manifest.ts'

/*
 * What becomes of a file that a client sends with a name alone: as part of a plain form, or as the whole
 * body of a request.
 */

/**
 * The path for such a name, for {@link whyNameNotAllowed} to judge. A name may hold folders. One that is
 * not absolute is taken from `/`; an empty one stays what it is, and is not allowed.
 */
export function pathFromFileName(fileName: string): BytePath {
  return (fileName === '' || fileName.startsWith('/') ? fileName : `/${fileName}`) as BytePath
}

/** Nothing tells when such a file was last changed. The time it arrives would make each try another file. */
export const unknownTimeNs = 0n

const token = "[a-z0-9!#$%&'*+\\-.^_`|~]+"
const mediaTypePattern = new RegExp(`^${token}/${token}$`)
/** What curl says of any body with `--data-binary`. */
const saysNothing = 'application/x-www-form-urlencoded'

/** @param mediaType - In lower case, without parameters; empty when the client sent none. */
export function labelsOfNamedFile(mediaType: string): FileLabels {
  const isKnown = mediaType !== saysNothing && mediaTypePattern.test(mediaType)
  return {
    root: bytePath(''),
    contentType: isKnown ? mediaType : 'application/octet-stream',
    tags: [],
    datasetIds: [],
    coding: 'identity',
    capture: null,
  }
}
