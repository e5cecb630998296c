import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { TransferFailureKind } from '../../src/wire/transfer-failure.ts'
import { workerEntryUrl } from '../../workers/entry-url.ts'
import { FaultyLink } from '../support/faulty-link.ts'
import { MisbehavingReceiver } from '../support/misbehaving-receiver.ts'
import { makeTestCertificate } from '../support/test-certificate.ts'
import { Device } from './device.ts'

/*
 * The rows of docs/reliability.md for failures without an answer: what the daemon does then, and that
 * every file arrives once that is over.
 */

const stallMs = 400
const dayMs = 86_400_000
const folder = mkdtempSync(join(tmpdir(), 'longshore-faults-'))
const dieFile = join(folder, 'die')
const entryFile = join(folder, 'entry.ts')
writeFileSync(
  entryFile,
  `import { existsSync } from 'node:fs'
import run from ${JSON.stringify(workerEntryUrl.href)}
export default (task) => {
  if (existsSync(${JSON.stringify(dieFile)})) process.exit(1)
  return run(task)
}`,
)

let bad: MisbehavingReceiver
let link: FaultyLink
let device: Device
/** Impostors, by what is wrong with them. */
const ports = new Map<string, number>()
const servers: Server[] = []

before(async () => {
  bad = await MisbehavingReceiver.start()
  link = await FaultyLink.open(bad.port)
  const trusted = [bad.caPem]
  const impostors = {
    expired: { names: ['localhost'], notAfter: new Date(Date.now() - dayMs) },
    early: { names: ['localhost'], notBefore: new Date(Date.now() + dayMs) },
    elsewhere: { names: ['elsewhere.example'] },
    stranger: { names: ['localhost'] },
  }
  for (const [name, options] of Object.entries(impostors)) {
    const { caPem, cert, key } = await makeTestCertificate(options)
    if (name !== 'stranger') trusted.push(caPem)
    const server = createSecureServer({ cert, key })
    server.on('tlsClientError', () => {})
    await listen(name, server as unknown as Server)
  }
  await listen(
    'mail',
    createServer((socket) => {
      socket.on('error', () => {})
      socket.end('220 smtp.example ESMTP\r\n')
    }),
  )
  device = new Device(
    bad,
    { address: `https://localhost:${link.port}`, caPem: trusted.join('\n') },
    { stallMs, workerEntryUrl: pathToFileURL(entryFile) },
  )
})

async function listen(name: string, server: Server): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  servers.push(server)
  ports.set(name, (server.address() as AddressInfo).port)
}

after(async () => {
  await device.close()
  await link.close()
  await bad.close()
  for (const server of servers) server.close()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  // The same reason is not told again within ten minutes.
  device.clock.skip(17 * 60_000)
  device.log.lines.length = 0
})
afterEach(async () => {
  rmSync(dieFile, { force: true })
  link.set({ toPort: bad.port })
  await link.heal()
})

/** Until the log says that everything waits for this. */
async function heldFor(kind: TransferFailureKind, skipMs = 100): Promise<void> {
  const isHeld = () => device.logged('uploads_held').some((line) => line.includes(`"${kind}"`))
  await device.until(`everything is held: ${kind}`, isHeld, skipMs)
}

/** That they are all there yet, with nothing held against any of them, and arrive in the end. */
async function allArrive(files: readonly string[], untouched = true): Promise<void> {
  await device.untilArrived(files)
  if (untouched) assert.deepEqual(device.logged('file_held'), [])
  assert.deepEqual(device.logged('file_quarantined'), [])
}

describe('invariant 3: nothing is lost and nothing comes twice when the connection', () => {
  test('is refused', async () => {
    link.cutAll('rst')
    link.refuse()
    const files = device.someFiles()
    await heldFor('unreachable')
    assert.ok(files.every(existsSync))
    await link.heal()
    await allArrive(files)
  })

  for (const by of ['fin', 'rst'] as const) {
    test(`breaks in the middle of uploads, with ${by}`, async () => {
      link.cutAll('rst')
      link.set({ cut: { afterUpBytes: 500_000, by, times: 2 } })
      await allArrive(device.someFiles())
    })

    test(`breaks when all was sent and before the answer, with ${by}`, async () => {
      const files = device.files([10, 2000])
      bad.next({ does: 'death', by, afterBytes: 2000 })
      await heldFor('connection_lost')
      await allArrive(files)
    })
  }

  test('goes silent: all bytes are taken and gone', async () => {
    await allArrive(device.files([10]))
    const files = device.files([20, 2000])
    link.blackHole()
    await device.until(
      'something waits',
      () => device.session.uploader.linkFailure !== undefined,
      0,
    )
    await link.heal()
    await allArrive(files)
  })

  test('stays, and the receiver never answers', async () => {
    const files = device.files([20, 2000])
    bad.next({ does: 'silence', readsBody: true })
    await heldFor('stalled', 0)
    await allArrive(files)
  })

  test('is damaged on its way', async () => {
    link.cutAll('rst')
    link.set({ corrupt: { atUpByte: 3000, times: 1 } })
    await allArrive(device.files([20_000, 2000]))
  })

  for (const code of [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]) {
    test(`has the upload’s stream reset with code ${code}`, async () => {
      const files = device.files([10, 2000])
      bad.next({ does: 'reset', code })
      await allArrive(files)
    })
  }

  for (const code of [0, 2, 11]) {
    test(`is told to go away with code ${code}`, async () => {
      const files = device.files([10, 2000])
      // biome-ignore lint/suspicious/noThenProperty: a word of the test receiver's
      bad.next({ does: 'goaway', code, lastStreamId: 0, then: 'silence' })
      await allArrive(files)
    })
  }

  test('ends right after each answer', async () => {
    bad.next({ does: 'last_words' }, { does: 'last_words' })
    await allArrive(device.someFiles())
  })

  test('is carried by a thread that dies, again and again', async () => {
    writeFileSync(dieFile, '')
    const files = device.someFiles()
    await heldFor('fault_here')
    for (let n = 0; n < 5; n += 1) {
      device.clock.skip(61_000)
      await device.session.scan()
    }
    assert.ok(files.every(existsSync))
    rmSync(dieFile)
    await allArrive(files)
  })
})

describe('everything waits for a person, and goes on by itself, when what answers', () => {
  for (const [name, kind] of [
    ['stranger', 'not_trusted'],
    ['expired', 'certificate_expired'],
    ['early', 'certificate_not_yet_valid'],
    ['elsewhere', 'certificate_wrong_name'],
    ['mail', 'incompatible'],
  ] as const) {
    test(`is ${name}: ${kind}`, async () => {
      const files = device.someFiles()
      link.set({ toPort: ports.get(name)! })
      link.cutAll('rst')
      await heldFor(kind)
      const [line] = device.logged('uploads_held').filter((each) => each.includes(kind))
      assert.ok(Number(/"wait_s":([\d.]+)/.exec(line!)?.[1]) >= 900, line)
      assert.ok(files.every(existsSync))
      link.set({ toPort: bad.port })
      device.clock.skip(17 * 60_000)
      await allArrive(files)
    })
  }

  test('is a web server that knows no HTTP/2: incompatible', async () => {
    const files = device.someFiles()
    bad.handshake = 'http1'
    link.cutAll('rst')
    await heldFor('incompatible')
    bad.handshake = 'http2'
    device.clock.skip(17 * 60_000)
    await allArrive(files)
  })

  test('hangs up on each connection: not for a person, but for the next try', async () => {
    const files = device.someFiles()
    bad.handshake = 'closed'
    link.cutAll('rst')
    await heldFor('connection_lost')
    bad.handshake = 'http2'
    await allArrive(files)
  })
})

describe('invariant 4: a poison file that breaks every connection', () => {
  test('waits alone in the end, is not set aside, and arrives when that is over', async () => {
    const [poison] = device.files([10])
    bad.every({ does: 'death', by: 'rst', afterBytes: 1 })
    await device.until('it is held', () => device.logged('file_held').length >= 1)
    bad.every(undefined)
    await device.untilArrived([poison!, ...device.files([20, 30])])
    assert.deepEqual(device.logged('file_quarantined'), [])
  })
})
