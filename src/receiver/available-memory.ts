import { totalmem } from 'node:os'
import { constrainedMemory } from 'node:process'

/** The computer's memory, or what a container's limit leaves of it. */
export function availableMemoryBytes(): number {
  // Where there is no limit, Node names none (0) or one that is far beyond any memory.
  return Math.min(totalmem(), constrainedMemory() || Number.POSITIVE_INFINITY)
}
