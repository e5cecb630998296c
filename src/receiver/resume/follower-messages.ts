import type { WireErrorCode } from '../../wire/wire-error.ts'
import type { Verdict } from '../ingest/verdict.ts'
import type { MessageHead } from '../ingest/verifier.ts'

/** What the follower thread is told. `key` names one upload. */
export type FollowerOrder =
  | {
      readonly order: 'follow'
      readonly key: number
      readonly path: string
      /** Where the message begins in the file. */
      readonly start: number
      readonly head: MessageHead
    }
  /** The file has been written up to `end`. */
  | { readonly order: 'grown'; readonly key: number; readonly end: number }
  /** Nothing more comes: the verdict is wanted. */
  | { readonly order: 'finish'; readonly key: number }
  | { readonly order: 'forget'; readonly key: number }

/** There is nothing more to do. */
export const endOfFollowing = 'end'

/** What it answers to `finish`. */
export type FollowerAnswer =
  | { readonly key: number; readonly verdict: Verdict }
  | { readonly key: number; readonly wireError: { code: WireErrorCode; message: string } }
  | { readonly key: number; readonly failure: string }
