import type { BytePath } from '../base/byte-path.ts'

/** A directory to sync, resolved: absolute, without symbolic links. */
export interface Root {
  readonly path: BytePath
  /** As the config file has it, for messages. */
  readonly configured: BytePath
}

export type FileKind = 'capture' | 'arbitrary'

/** A file that a scan found ready, as it was then. */
export interface Candidate {
  readonly path: BytePath
  readonly root: BytePath
  readonly kind: FileKind
  readonly sizeBytes: number
  readonly mtimeNs: bigint
  readonly device: bigint
  readonly inode: bigint
}

/** Why a path below a root is not a candidate now, but may be later. */
export type WaitReason =
  | 'not_quiet_yet'
  | 'being_written'
  | 'in_progress_file'
  | 'sqlite_in_use'
  | 'already_taken'

/** Why a path below a root is never one as it is. */
export type SkipReason =
  | 'empty'
  | 'excluded'
  | 'symbolic_link'
  | 'not_a_regular_file'
  | 'other_mount'
  | 'set_aside_folder'
  | 'receiver_data'
  | 'unreadable'
  | 'missing_root'
  | 'not_removable'
  | 'several_links'

export type NotReadyReason = WaitReason | SkipReason

/** What every reason means, for people. */
export const reasonTexts: Readonly<Record<NotReadyReason, string>> = {
  not_quiet_yet: 'changed a moment ago; waits until it is quiet',
  being_written: 'a process has it open for writing',
  in_progress_file: 'still being captured (.prog)',
  sqlite_in_use: 'a database with a journal beside it',
  already_taken: 'on its way, or waits for another try',
  empty: 'empty files stay, as in Viam',
  excluded: 'its name is excluded',
  symbolic_link: 'symbolic links are not followed',
  not_a_regular_file: 'neither a file nor a folder',
  other_mount: 'on another file system: name it as a root of its own',
  set_aside_folder: 'folders named failed and datasetUpload are left alone',
  receiver_data: "a receiver's data",
  missing_root: 'this root does not exist (yet); it is looked for at every scan',
  unreadable: 'may not be read by this user',
  not_removable: 'could not be removed afterwards by this user, so it is not sent',
  several_links: 'has several hard links, so removing it would not free it',
}
