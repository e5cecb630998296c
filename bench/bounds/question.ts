import type { Findings } from '../support/question.ts'
import type { TempFolder } from '../support/temp-folder.ts'
import type { Bound } from './bound.ts'

export interface BoundsOptions {
  /** million: how many files; how long they are synced; how long the receiver cannot be had first. */
  readonly files: number
  readonly seconds: number
  readonly offlineSeconds: number
  /** sparse: the size of the file. */
  readonly gib: number
  /** hour: how long it is. */
  readonly minutes: number
}

export interface BoundsContext extends BoundsOptions {
  /** The command, as it is published. */
  readonly longshore: string
  /** Fresh, on a disk: what receivers store. Gone when the run ends. */
  readonly temp: TempFolder
  /** Fresh, for what the device has: in memory if there is room. */
  readonly device: TempFolder
  /** Progress for people, on stderr. */
  readonly say: (line: string) => void
}

export interface BoundsFindings extends Findings {
  readonly bounds: readonly Bound[]
}

/** Something that has to stay within limits, and a run that shows whether it does. */
export interface BoundsQuestion {
  readonly name: string
  readonly asks: string
  /** What the device's files need. */
  readonly deviceBytes: (options: BoundsOptions) => number
  readonly run: (context: BoundsContext) => Promise<BoundsFindings>
}
