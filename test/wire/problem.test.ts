import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { problemAsJson, problemContentType, problemFrom } from '../../src/wire/problem.ts'

const unknown = (status: number) => ({
  code: 'unknown',
  status,
  detail: `HTTP status ${status} without a problem document`,
})

describe('a problem', () => {
  test('is a document as RFC 9457 has it', () => {
    const problem = { code: 'storage_full', status: 507, detail: 'Free some space.' }
    assert.deepEqual(JSON.parse(problemAsJson(problem)), {
      type: 'urn:longshore:problem:storage_full',
      title: 'storage full',
      status: 507,
      detail: 'Free some space.',
    })
  })

  test('comes back as it was, whatever it says', () => {
    for (const detail of ['', 'größe "quoted" \\', 'x'.repeat(1000)]) {
      const problem = { code: 'bad_manifest', status: 422, detail }
      assert.deepEqual(problemFrom(422, problemContentType, problemAsJson(problem)), problem)
      assert.deepEqual(
        problemFrom(422, `${problemContentType}; charset=utf-8`, problemAsJson(problem)),
        problem,
      )
    }
  })

  test('of a resumed upload has the type that is registered for it, and comes back as its code', () => {
    for (const [code, name] of [
      ['mismatching_upload_offset', 'mismatching-upload-offset'],
      ['completed_upload', 'completed-upload'],
      ['inconsistent_upload_length', 'inconsistent-upload-length'],
    ] as const) {
      const problem = { code, status: 409, detail: 'Ask for the offset.' }
      const json = problemAsJson(problem)
      const type = `https://iana.org/assignments/http-problem-types#${name}`
      assert.equal((JSON.parse(json) as { type: string }).type, type)
      assert.deepEqual(problemFrom(409, problemContentType, json), problem)
    }
  })

  test('has the status of the answer, not the one that it claims', () => {
    const json = problemAsJson({ code: 'storage_full', status: 200, detail: '' })
    assert.equal(problemFrom(507, problemContentType, json).status, 507)
  })

  test('that somebody else wrote is unknown', () => {
    const others = [
      ['text/html', '<h1>Bad Gateway</h1>'],
      ['', ''],
      ['application/json', problemAsJson({ code: 'storage_full', status: 507, detail: '' })],
      [problemContentType, ''],
      [problemContentType, 'null'],
      [problemContentType, '[]'],
      [problemContentType, '"urn:longshore:problem:x"'],
      [problemContentType, '{"type":"about:blank","detail":"x"}'],
      [problemContentType, '{"type":7}'],
      [problemContentType, '{"type":"urn:longshore:problem:"}'],
      [problemContentType, '{"type":"urn:longshore:problem:Has Spaces"}'],
      [problemContentType, `{"type":"urn:longshore:problem:${'x'.repeat(65)}"}`],
      [problemContentType, '{"type":"https://iana.org/assignments/http-problem-types#date"}'],
      [problemContentType, '{"type":"https://elsewhere.example/#completed-upload"}'],
    ] as const
    for (const [contentType, body] of others) {
      assert.deepEqual(problemFrom(502, contentType, body), unknown(502), body)
    }
  })

  test('invariant 9: can neither drive a terminal nor fill a log', () => {
    const detail = `\x1b[2Jone\r\ntwo\u2028three\u202e\0${'x'.repeat(5000)}`
    const found = problemFrom(
      400,
      problemContentType,
      problemAsJson({ code: 'x', status: 400, detail }),
    )
    assert.equal(found.detail.slice(0, 20), ' [2Jone two three xx')
    assert.ok(found.detail.length <= 1000)
    assert.doesNotMatch(found.detail, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    const withoutDetail = '{"type":"urn:longshore:problem:x","detail":{"a":1}}'
    assert.equal(problemFrom(400, problemContentType, withoutDetail).detail, '')
  })
})
