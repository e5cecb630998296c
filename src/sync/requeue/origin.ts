import { type BytePath, joinPath, nameOf, parentOf } from '../../base/byte-path.ts'
import { exists } from '../../scan/exists.ts'
import { mayBeNamed, sidecarOf, withoutSuffix } from '../quarantine/place.ts'
import { isPlain, readSidecar, type Sidecar } from './read-sidecar.ts'

/** Where a file that was set aside has come from. */
export interface Origin {
  readonly path: BytePath
  /** Its own, to be removed after it. */
  readonly sidecar: Sidecar | undefined
  /** True when its sidecar names a place from which nothing is set aside here. */
  readonly sidecarDisagrees: boolean
}

/**
 * The folder follows from the place alone. The sidecar is data that anybody could have written, so all
 * that is taken from it is the name, if a file of that name may be called as this one is: the name
 * without `~N`, or in full length.
 */
export function originOf(file: BytePath, folderOfOrigin: BytePath): Origin {
  const name = nameOf(file)
  const sidecar = readSidecar(sidecarOf(file))
  if (sidecar?.to !== file) {
    return {
      path: joinPath(folderOfOrigin, guessName(file)),
      sidecar: undefined,
      sidecarDisagrees: false,
    }
  }
  const { from } = sidecar
  const agrees =
    isPlain(from) && parentOf(from) === folderOfOrigin && mayBeNamed(nameOf(from), name)
  if (agrees) return { path: from, sidecar, sidecarDisagrees: false }
  return { path: joinPath(folderOfOrigin, guessName(file)), sidecar, sidecarDisagrees: true }
}

/** `a~1` was `a`, unless `a` is here too: then that one gets its name back first. */
function guessName(file: BytePath): string {
  const name = nameOf(file)
  const plain = withoutSuffix(name)
  return plain !== name && exists(joinPath(parentOf(file), plain)) ? name : plain
}
