import { type BytePath, showPath } from '../base/byte-path.ts'
import { formatBytes, formatFiles } from '../base/format.ts'
import type { Candidate } from '../scan/candidate.ts'
import { reasonTexts } from '../scan/candidate.ts'
import type { ScanSummary, SyncSession } from '../sync/sync-session.ts'

const largestShown = 5

interface RootPreview {
  files: number
  bytes: number
  largest: Candidate[]
  oldest: Candidate | undefined
}

export interface SyncPreview {
  readonly summary: ScanSummary
  readonly roots: ReadonlyMap<BytePath, RootPreview>
}

/** Looks at everything that is ready without touching it; memory does not grow with its number. */
export async function previewSync(session: SyncSession): Promise<SyncPreview> {
  const roots = new Map<BytePath, RootPreview>()
  const summary = await session.scan((candidates) => {
    for (const candidate of candidates) addTo(roots, candidate)
  })
  return { summary, roots }
}

function addTo(roots: Map<BytePath, RootPreview>, candidate: Candidate): void {
  let root = roots.get(candidate.root)
  if (root === undefined) {
    root = { files: 0, bytes: 0, largest: [], oldest: undefined }
    roots.set(candidate.root, root)
  }
  root.files += 1
  root.bytes += candidate.sizeBytes
  if (root.oldest === undefined || candidate.mtimeNs < root.oldest.mtimeNs) root.oldest = candidate
  const smallestShown = root.largest.at(-1)
  if (root.largest.length < largestShown || candidate.sizeBytes > smallestShown!.sizeBytes) {
    root.largest.push(candidate)
    root.largest.sort((a, b) => b.sizeBytes - a.sizeBytes)
    root.largest.length = Math.min(root.largest.length, largestShown)
  }
}

/** Says per root what a sync would do, and why other files stay. */
export function previewLines({ summary, roots }: SyncPreview): string[] {
  const lines: string[] = []
  for (const state of summary.roots) {
    const name = showPath(state.root.configured)
    const root = roots.get(state.root.path)
    if (state.state !== 'ready') {
      lines.push(`${name}: left alone: ${state.why}`)
    } else if (root === undefined) {
      lines.push(`${name}: nothing is ready`)
    } else {
      const amount = `${formatFiles(root.files)}, ${formatBytes(root.bytes)}`
      lines.push(`${name}: ${amount} will be uploaded and then removed`)
      for (const { path, sizeBytes } of root.largest) {
        lines.push(`    ${formatBytes(sizeBytes).padStart(8)}  ${showPath(path)}`)
      }
      const { path, mtimeNs } = root.oldest!
      const changed = new Date(Number(mtimeNs / 1_000_000n)).toISOString()
      lines.push(`    oldest: ${showPath(path)}, last changed ${changed}`)
    }
  }
  for (const [reason, count] of summary.notReady) {
    lines.push(`${formatFiles(count)} not now: ${reasonTexts[reason]}`)
  }
  return lines
}
