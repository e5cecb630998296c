/** What a daemon or a pass has done since it started. Read by the progress view and the summary. */
export class SyncStats {
  stored = 0
  alreadyStored = 0
  /** Turned down by the receiver, whatever became of them then. */
  rejected = 0
  quarantined = 0
  /** Tries after which a file is to be tried again. */
  retried = 0
  removed = 0
  /** Removed without having been uploaded, by the disk-full rule. */
  evicted = 0
  /** At the receiver, but still here: changed since, or could not be removed. */
  keptAfterUpload = 0
  /** Of the files that the receiver has now. */
  bytes = 0
}
