import type { Candidate } from '../scan/candidate.ts'
import type { FailureDecision } from './failure-decision.ts'

/** What becomes of the files of an upload that came to nothing. Each file is in exactly one of these. */
export interface NotSent {
  /** Wait as before. */
  readonly putBack: readonly Candidate[]
  /** Are sent again at once, each group as it is, to find the file to blame. */
  readonly groups: readonly (readonly Candidate[])[]
  /** Was sent alone, and is to blame. */
  readonly culprit: Candidate | undefined
}

/**
 * Finds the file to blame by halving, until it is alone; the others are stored on the way.
 *
 * @param candidates - Those of the upload that could be read, and were not sent.
 * @param isSuspicious - See `BrokenUploads`. Asked once for each where everything is held.
 */
export function sortNotSent(
  { action }: FailureDecision,
  candidates: readonly Candidate[],
  isSuspicious: (candidate: Candidate) => boolean,
): NotSent {
  switch (action) {
    case 'put back':
      return { putBack: candidates, groups: [], culprit: undefined }
    case 'hold all':
    case 'hold all, report': {
      const suspects = new Set(candidates.filter(isSuspicious))
      const putBack = candidates.filter((candidate) => !suspects.has(candidate))
      return { ...blame([...suspects], candidates.length === 1), putBack }
    }
    case 'hold all, apart':
    case 'file later':
    case 'quarantine':
      return blame(candidates, candidates.length === 1)
    default:
      return action satisfies never
  }
}

function blame(suspects: readonly Candidate[], wasAlone: boolean): NotSent {
  const [first] = suspects
  if (first === undefined) return { putBack: [], groups: [], culprit: undefined }
  if (wasAlone) return { putBack: [], groups: [], culprit: first }
  const middle = Math.ceil(suspects.length / 2)
  const halves = [suspects.slice(0, middle), suspects.slice(middle)]
  return { putBack: [], groups: halves.filter((half) => half.length > 0), culprit: undefined }
}
