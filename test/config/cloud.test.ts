import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testCaPem, withCloud } from './fake-context.ts'
import { accepted, refused, refusedFor } from './parsed.ts'

const ok = { app_address: 'https://receiver.example:8443', id: 'm-1', secret: 'hush' }
const address = (app_address: unknown, more = {}) => withCloud({ ...ok, app_address, ...more })

describe('the cloud block', () => {
  it('is read', () => {
    const { cloud } = accepted(withCloud({ ...ok, ca_pem: testCaPem })).config
    assert.equal(cloud.address.href, 'https://receiver.example:8443/')
    assert.equal(cloud.id, 'm-1')
    assert.equal(cloud.secret, 'hush')
    assert.equal(cloud.caPem, testCaPem)
    assert.equal(cloud.allowCleartext, false)
  })

  it('is refused when something is missing, with the variable that would do', () => {
    assert.deepEqual(refused(withCloud(undefined)), [
      'cloud.app_address: expected the receiver: https://HOST:PORT, found nothing (or set LONGSHORE_CLOUD_ADDRESS)',
      'cloud.id: expected the machine as the receiver knows it, found nothing (or set LONGSHORE_CLOUD_ID)',
      "cloud.secret: expected the machine's secret, found nothing (or set LONGSHORE_CLOUD_SECRET)",
    ])
  })

  it('never has its secret quoted', () => {
    const secret = 'hunter2hunter2'
    const texts = [
      refused(withCloud({ ...ok, secret: `${secret}\n` })),
      refused(withCloud({ ...ok, secret: [secret] })),
      refused(withCloud({ ...ok, secret: secret.repeat(100) })),
      refused(withCloud({ ...ok, id: `${secret}/` })),
      refused(withCloud({ ...ok, secret: undefined, secret_file: secret })),
      refused(withCloud({ ...ok, secret: undefined, secret_file: `~${secret}` })),
      refused(withCloud(secret)),
      refused(address(`https://user:${secret}@receiver.example`)),
      refused(address(`https://user:${secret}@receiver example`)),
      refused(address(`user:${secret}@receiver.example`)),
      refused(address(`https://${secret}@app.viam.com`)),
      refused(address(`https://user:${secret}@receiver.example\n`)),
      refused(withCloud({ ...ok, ca_pem: secret })),
    ]
    for (const lines of texts) assert.doesNotMatch(lines.join('\n'), /hunter/)
  })

  it('may be absent when the environment has all of it', () => {
    const env = {
      LONGSHORE_CLOUD_ADDRESS: 'https://other:1',
      LONGSHORE_CLOUD_ID: 'other',
      LONGSHORE_CLOUD_SECRET: 'mum',
    }
    const { cloud } = accepted(withCloud(undefined), { env }).config
    assert.deepEqual([cloud.address.host, cloud.id, cloud.secret], ['other:1', 'other', 'mum'])
  })

  it('gives way to the environment, of which empty variables do not count', () => {
    const env = { LONGSHORE_CLOUD_SECRET: 'mum', LONGSHORE_CLOUD_ID: '' }
    const block = { ...ok, secret: undefined, secret_file: '/missing' }
    const { cloud } = accepted(withCloud(block), { env }).config
    assert.deepEqual([cloud.id, cloud.secret], ['m-1', 'mum'])
  })

  it('has problems of the environment named by the variable', () => {
    const env = { LONGSHORE_CLOUD_ADDRESS: 'http://elsewhere', LONGSHORE_CLOUD_ID: 'a b' }
    const lines = refused(withCloud(ok), { env })
    assert.match(lines[0]!, /^LONGSHORE_CLOUD_ADDRESS: /)
    assert.match(lines[1]!, /^LONGSHORE_CLOUD_ID: /)
  })

  it('notes a secret in a file that others can read', () => {
    const { notes } = accepted(withCloud(ok), { configReadableByOthers: true })
    assert.equal(notes[0]?.keyPath, 'cloud.secret')
    assert.match(notes[0]?.message ?? '', /chmod 600 \/srv\/robot\/conf\/config\.json/)
    const env = { LONGSHORE_CLOUD_SECRET: 'mum' }
    const withoutSecret = withCloud({ ...ok, secret: undefined })
    assert.deepEqual(accepted(withoutSecret, { env, configReadableByOthers: true }).notes, [])
  })

  it('takes typos for typos and other unknown keys as they come', () => {
    refusedFor(withCloud({ ...ok, ca_pems: 'x' }), /cloud\.ca_pems: .*did you mean "ca_pem"/)
    const { notes } = accepted(withCloud({ ...ok, location_id: 'x' }))
    assert.equal(notes[0]?.keyPath, 'cloud.location_id')
  })
})

describe('app_address', () => {
  for (const viam of [
    'https://app.viam.com:443',
    'https://viam.com',
    'http://APP.VIAM.COM.',
    'app.viam.com:443',
    'https://x.y.viam.com/path',
    'https://me@app.viam.com',
  ]) {
    it(`may not be at Viam: ${viam}`, () => {
      refusedFor(address(viam), /Longshore does not upload to Viam/)
    })
  }

  it('may look like Viam without being it', () => {
    accepted(address('https://notviam.com'))
    accepted(address('https://viam.com.example'))
  })

  for (const [text, line] of [
    ['receiver.example:8443', /https:\/\/ is missing/],
    ['ftp://receiver.example', /expected https:\/\/HOST/],
    ['https://', /expected https:\/\/HOST/],
    ['https://a b', /expected https:\/\/HOST/],
    ['https://receiver.example:99999', /expected https:\/\/HOST/],
    ['https://receiver.example/upload', /with a path or a query/],
    ['https://receiver.example?x', /with a path or a query/],
    ['https://receiver.example/#', /with a path or a query/],
    ['https://user@receiver.example', /a user name or password in it/],
    ['http://receiver.example', /set cloud\.allow_cleartext to true/],
    ['http://10.0.0.1', /set cloud\.allow_cleartext to true/],
    ['http://127.0.0.1.example', /set cloud\.allow_cleartext to true/],
    ['http://localhost.example', /set cloud\.allow_cleartext to true/],
    [3, /found a number/],
  ] as const) {
    it(`may not be ${text}`, () => refusedFor(address(text), line))
  }

  it('may be cleartext to loopback', () => {
    for (const host of ['localhost:1', '127.0.0.1', '127.9.9.9:80', '[::1]:8443']) {
      assert.deepEqual(accepted(address(`http://${host}`)).notes, [])
    }
  })

  it('may be cleartext to elsewhere when the config says so, which is noted', () => {
    const { config, notes } = accepted(address('http://10.0.0.1', { allow_cleartext: true }))
    assert.equal(config.cloud.address.protocol, 'http:')
    assert.equal(config.cloud.allowCleartext, true)
    assert.match(notes[0]?.message ?? '', /unencrypted/)
    refusedFor(address('https://r', { allow_cleartext: 'yes' }), /true or false, found "yes"/)
  })
})

describe('id', () => {
  it('is 1 to 64 of the allowed characters', () => {
    for (const id of ['a', '-', 'A.b_c-9', 'x'.repeat(64)]) accepted(withCloud({ ...ok, id }))
    refusedFor(withCloud({ ...ok, id: '.a' }), /found "." at its start/)
    refusedFor(withCloud({ ...ok, id: 'a/b' }), /found "\/" in it/)
    refusedFor(withCloud({ ...ok, id: 'a😀' }), /found "😀" in it/)
    refusedFor(withCloud({ ...ok, id: 'x'.repeat(65) }), /1 to 64 bytes, found 65 bytes/)
    refusedFor(withCloud({ ...ok, id: '' }), /1 to 64 bytes, found a text of 0 chars/)
  })
})

describe('secret_file', () => {
  const block = { ...ok, secret: undefined, secret_file: 'secret' }
  const path = '/srv/robot/conf/secret'

  it('is read relative to the config file, without the space around the secret', () => {
    const files = { [path]: { text: ' mum \n', readableByOthers: false } }
    const { config, notes } = accepted(withCloud(block), { files })
    assert.equal(config.cloud.secret, 'mum')
    assert.deepEqual(notes, [])
  })

  it('is noted when others can read it', () => {
    const files = { [path]: { text: 'mum', readableByOthers: true } }
    assert.equal(accepted(withCloud(block), { files }).notes[0]?.keyPath, 'cloud.secret_file')
  })

  it('is refused when it is missing, empty or more than a secret', () => {
    refusedFor(withCloud(block), /secret_file: .* found no such file \(relative paths start at/)
    for (const [text, found] of [
      ['\n', /found an empty file/],
      ['mum\nmum', /found control characters in it/],
    ] as const) {
      const files = { [path]: { text, readableByOthers: false } }
      refusedFor(withCloud(block), found, { files })
    }
  })

  it('excludes secret', () => {
    const files = { [path]: { text: 'mum', readableByOthers: false } }
    refusedFor(withCloud({ ...block, secret: 'x' }), /either secret or secret_file/, { files })
  })
})

describe('ca_pem and ca_file', () => {
  const file = (text: string) => ({ '/ca.pem': { text, readableByOthers: true } })

  it('may hold several certificates with text between them', () => {
    const several = `# ours\n${testCaPem}\n# theirs\n${testCaPem.replaceAll('\n', '\r\n')}`
    assert.equal(accepted(withCloud({ ...ok, ca_pem: several })).config.cloud.caPem, several)
  })

  it('are the same thing', () => {
    const files = file(testCaPem)
    const { config, notes } = accepted(withCloud({ ...ok, ca_file: '/ca.pem' }), { files })
    assert.equal(config.cloud.caPem, testCaPem)
    assert.deepEqual(notes, [])
    const both = withCloud({ ...ok, ca_pem: testCaPem, ca_file: '/ca.pem' })
    refusedFor(both, /either ca_pem or ca_file, found both/, { files })
  })

  it('are refused when they hold no certificate that can be read', () => {
    const damaged = testCaPem.replace(/\n(.{20})/, '\nAAAA')
    const cutOff = testCaPem.slice(0, 200)
    const privateKey = '-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n'
    for (const [pem, found] of [
      ['hello', /found no certificate$/],
      [`${testCaPem}${damaged}`, /found certificate 2 of 2, which is damaged$/],
      [`${testCaPem}${cutOff}`, /found a certificate that is cut off$/],
      [`${testCaPem}${privateKey}`, /found a private key among them$/],
    ] as const) {
      refusedFor(withCloud({ ...ok, ca_pem: pem }), found)
      refusedFor(withCloud({ ...ok, ca_file: '/ca.pem' }), found, { files: file(pem) })
    }
    refusedFor(withCloud({ ...ok, ca_file: '/no' }), /ca_file: .* found \/no, no such file$/)
  })
})
