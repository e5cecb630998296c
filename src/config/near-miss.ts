/**
 * The known key that `key` is probably a typo of, or undefined. Case, `_` and `-` do not count;
 * beyond that one to three edits do, depending on the length, and none for keys of up to 3 letters.
 */
export function nearestKey(key: string, known: Iterable<string>): string | undefined {
  if (key.length > 100) return undefined
  const plainKey = plain(key)
  let nearest: string | undefined
  let leastEdits = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const plainCandidate = plain(candidate)
    const edits = editDistance(plainKey, plainCandidate)
    if (edits <= allowedEdits(plainCandidate.length) && edits < leastEdits) {
      nearest = candidate
      leastEdits = edits
    }
  }
  return nearest
}

function plain(key: string): string {
  return key.toLowerCase().replace(/[-_]/g, '')
}

function allowedEdits(length: number): number {
  if (length <= 3) return 0
  if (length <= 5) return 1
  return length <= 15 ? 2 : 3
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let edits = Math.min(replace, last[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, beforeLast[j - 2]! + 1)
      }
      row.push(edits)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
