/**
 * Names that are left alone because something is still working on them. Each is a text with at most
 * one `*`, at its start or its end.
 */
export const defaultExclude: readonly string[] = [
  '*.tmp',
  '*.part',
  '*.partial',
  '*.active',
  '*.lock',
  '*.swp',
  '.nfs*',
  '*-wal',
  '*-shm',
  '*-journal',
]

/** One regular expression for all patterns: it runs for every file of every scan. */
export function excludeMatcher(patterns: readonly string[]): (name: string) => boolean {
  const alternatives = patterns.map((pattern) => pattern.split('*').map(escapeForRegExp).join('.*'))
  const expression = new RegExp(`^(?:${alternatives.join('|')})$`, 's')
  return (name) => expression.test(name)
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** SQLite's files beside a database that is in use or was not closed (https://sqlite.org/tempfiles.html). */
export const sqliteSiblingSuffixes = ['-wal', '-shm', '-journal'] as const

/** The database a sibling belongs to, if `name` is a sibling's name. */
export function sqliteDatabaseOf(name: string): string | undefined {
  const suffix = sqliteSiblingSuffixes.find((each) => name.endsWith(each))
  return suffix === undefined ? undefined : name.slice(0, -suffix.length)
}
