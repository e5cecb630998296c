/** Where a text stops being JSON. Lines and columns count from 1, columns in characters. */
interface JsonError {
  readonly line: number
  readonly column: number
  readonly message: string
}

const maxDepth = 200

class Stop extends Error {
  readonly at: number

  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

/**
 * Finds what is wrong with a text that should be JSON (RFC 8259); undefined when nothing is. Stricter
 * than `JSON.parse` in two points: no key twice in one object, and at most 200 levels.
 *
 * Instead of the message of `JSON.parse`, which quotes the text, and thereby perhaps a secret, and
 * does not always say where.
 */
export function findJsonError(text: string): JsonError | undefined {
  try {
    const end = skipSpace(text, skipValue(text, skipSpace(text, 0), 0))
    if (end < text.length) throw new Stop(end, 'nothing may follow here')
    return undefined
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    const before = text.slice(0, error.at).split('\n')
    return { line: before.length, column: [...before.at(-1)!].length + 1, message: error.message }
  }
}

function skipSpace(text: string, start: number): number {
  let at = start
  while (at < text.length && ' \t\n\r'.includes(text[at]!)) at++
  if (text[at] === '/' || text[at] === '#') throw new Stop(at, 'JSON has no comments')
  return at
}

function skipValue(text: string, at: number, depth: number): number {
  if (depth > maxDepth) throw new Stop(at, `more than ${maxDepth} levels`)
  const char = text[at]
  if (char === undefined) throw new Stop(at, 'the file ends where a value should stand')
  if (char === '"') return skipText(text, at)
  if (char === '{') return skipItems(text, at, '}', depth, new Set())
  if (char === '[') return skipItems(text, at, ']', depth, undefined)
  const plain = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y
  plain.lastIndex = at
  if (!plain.test(text)) throw new Stop(at, 'a value should stand here')
  return plain.lastIndex
}

/** An object's or a list's items up to and with `close`. `keys` are an object's so far. */
function skipItems(
  text: string,
  start: number,
  close: string,
  depth: number,
  keys: Set<string> | undefined,
): number {
  let at = skipSpace(text, start + 1)
  if (text[at] === close) return at + 1
  for (;;) {
    if (keys !== undefined) at = skipKey(text, at, keys)
    at = skipSpace(text, skipValue(text, at, depth + 1))
    if (text[at] === close) return at + 1
    if (text[at] !== ',') throw new Stop(at, `a comma or ${close} should stand here`)
    const comma = at
    at = skipSpace(text, at + 1)
    if (text[at] === close) throw new Stop(comma, `no comma may stand before ${close}`)
  }
}

function skipKey(text: string, at: number, keys: Set<string>): number {
  if (text[at] !== '"') throw new Stop(at, 'a key in double quotes should stand here')
  const end = skipText(text, at)
  const key: string = JSON.parse(text.slice(at, end))
  if (keys.has(key)) throw new Stop(at, 'this key was already given')
  keys.add(key)
  const colon = skipSpace(text, end)
  if (text[colon] !== ':') throw new Stop(colon, 'a colon should stand here')
  return skipSpace(text, colon + 1)
}

function skipText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]!
    if (char === '"') return at + 1
    if (char < ' ') throw new Stop(at, 'a text may not hold line breaks or control characters')
    if (char !== '\\') continue
    const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
    escaped.lastIndex = at
    if (!escaped.test(text)) throw new Stop(at, 'a backslash has to be written twice')
    at = escaped.lastIndex - 1
  }
  throw new Stop(start, 'the text that begins here has no closing quote')
}
