import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { type Attribute, attributes } from '../../src/config/attributes.ts'
import { describeKind, readValue } from '../../src/config/kinds.ts'
import { testCaPem } from './fake-context.ts'
import { accepted } from './parsed.ts'

const file = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
/** The formatter pads the cells of tables. */
const text = file.replaceAll(/ +\|/g, ' |')

function rowOf(key: string, attribute: Attribute): string {
  const { kind, unset, only, acts, meaning } = attribute
  const code = (value: unknown) => `\`${JSON.stringify(value)}\``
  let standard = attribute.default === undefined ? 'none' : code(attribute.default)
  if (unset === '') standard += `; also for ${code('')}`
  if (typeof unset === 'number') standard += `; also for ${unset === 0 ? '0' : `0 to ${unset}`}`
  const unless = only?.length ? ` unless ${only.map(code).join(', ')}` : ''
  const effect = only === undefined ? acts : `${acts}: refused${unless}`
  return `| \`${key}\` | ${describeKind(kind)} | ${standard} | ${effect} | ${meaning} |`
}

const all = Object.values(attributes).flatMap((table): [string, Attribute][] =>
  Object.entries(table),
)

describe('docs/configuration.md', () => {
  for (const [key, attribute] of all) {
    it(`describes ${key} as the table of attributes does`, () => {
      const row = rowOf(key, attribute)
      assert.ok(text.includes(row), row)
    })
  }

  it('describes no attribute that does not exist', () => {
    const documented = [...text.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, key]) => key)
    assert.deepEqual(
      documented,
      all.map(([key]) => key),
    )
  })

  it('shows examples that are accepted', () => {
    const examples = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => json ?? '')
    assert.equal(examples.length, 2)
    const readable = { readableByOthers: false }
    const files = {
      '/srv/robot/conf/receiver-ca.pem': { text: testCaPem, ...readable },
      '/etc/longshore/ca.pem': { text: testCaPem, ...readable },
      '/etc/longshore/secret': { text: 'hush', ...readable },
    }
    for (const example of examples) {
      assert.deepEqual(accepted(JSON.parse(example), { files }).notes, [])
    }
  })
})

describe('the table of attributes', () => {
  it('has defaults of the kind it demands, and none that needs a note', () => {
    const base = { homeDir: '/h', configDir: '/c' as never }
    for (const [key, attribute] of all) {
      if (attribute.default === undefined) continue
      readValue(attribute.kind, attribute.default, key, base, (problem) => {
        assert.fail(`${key}: ${problem.expected}`)
      })
      if (attribute.only !== undefined) assert.ok(attribute.only.includes(attribute.default), key)
    }
  })

  it('is plain data, without functions', () => {
    assert.deepEqual(structuredClone(attributes), attributes)
  })
})
