import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findJsonError } from '../../src/config/json-errors.ts'

const sample =
  '{"a": [1, -0.5e+3, true, false, null, {}, []], "b\\u00e9\\n": "x\\"y", "c": {"a": "ü😀"}}'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('findJsonError', () => {
  for (const [text, line, column, message] of [
    ['{\n  "a": 1,\n}', 2, 9, /no comma may stand before }/],
    ['[1,\n 2 3]', 2, 4, /a comma or ] should stand here/],
    ['{"a" 1}', 1, 6, /a colon/],
    ['{a: 1}', 1, 2, /a key in double quotes/],
    ["{'a': 1}", 1, 2, /a key in double quotes/],
    ['{"é😀": x}', 1, 8, /a value should stand here/],
    ['{"a": 1', 1, 8, /a comma or }/],
    ['{"a": ', 1, 7, /the file ends/],
    ['{"a": "x', 1, 7, /no closing quote/],
    ['{"a": "x\n"}', 1, 9, /line breaks/],
    ['{"a": "C:\\dir"}', 1, 10, /a backslash has to be written twice/],
    ['{"a": 1} {}', 1, 10, /nothing may follow/],
    ['{\n  // why\n}', 2, 3, /no comments/],
    ['# why\n{}', 1, 1, /no comments/],
    ['{"a": 01}', 1, 7, /a value should stand here/],
    ['{"a": 1,\n "\\u0061": 2}', 2, 2, /already given/],
    ['['.repeat(100_000), 1, 202, /more than 200 levels/],
  ] as const) {
    it(`finds the place in ${JSON.stringify(text.slice(0, 30))}`, () => {
      const error = findJsonError(text)
      assert.deepEqual([error?.line, error?.column], [line, column])
      assert.match(error?.message ?? '', message)
    })
  }

  it('agrees with JSON.parse on every cut and every single changed character of a sample', () => {
    for (let i = 0; i <= sample.length; i++) {
      const variants = [sample.slice(0, i), sample.slice(i)]
      for (const char of [
        '',
        ',',
        '"',
        '}',
        ']',
        '{',
        '\\',
        ':',
        '0',
        '-',
        '.',
        'e',
        ' ',
        '\n',
        '/',
      ]) {
        variants.push(sample.slice(0, i) + char + sample.slice(i + 1))
        variants.push(sample.slice(0, i) + char + sample.slice(i))
      }
      for (const text of variants) {
        const error = findJsonError(text)
        if (error?.message === 'this key was already given') continue
        assert.equal(error === undefined, isJson(text), text)
      }
    }
  })

  it('never quotes the text', () => {
    for (let i = 0; i < sample.length; i++) {
      const message = findJsonError(sample.slice(0, i).replace('"x', '"hunter2'))?.message
      assert.doesNotMatch(message ?? '', /hunter/)
    }
  })
})
