import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { MachineStore } from '../../../src/receiver/identity/machine-store.ts'
import { coded, moduleUrl, outputOf, startProcess, temporaryFolder } from './support.ts'

function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

/** A clock that stands far from every mtime, so that what was read is relied upon. */
const farClock: Clock = { ...systemClock, wallMs: () => Date.parse('2001-01-01') }

test('A new machine gets 256 random bits, of which only the SHA-256 is stored.', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await MachineStore.open(folder)
  const { secret } = await store.add('machine-1')
  assert.match(secret, /^[A-Za-z0-9_-]{43}$/)
  assert.notEqual(secret, (await store.add('machine-2')).secret)

  const file = join(folder, 'machine-1.json')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  const { id, secret_sha256, created_at } = JSON.parse(await readFile(file, 'utf8'))
  assert.equal(id, 'machine-1')
  assert.equal(secret_sha256, createHash('sha256').update(secret).digest('hex'))
  assert.ok(Math.abs(Date.parse(created_at) - Date.now()) < 3_600_000)
  assert.deepEqual((await readdir(folder)).sort(), ['machine-1.json', 'machine-2.json'])
})

test('The right secret gives the machine, and nothing else does.', async (t) => {
  const store = await MachineStore.open(await temporaryFolder(t))
  const { secret } = await store.add('machine-1')
  const other = await store.add('machine-2')
  assert.equal(store.authenticate(basic('machine-1', secret)), 'machine-1')
  assert.equal(store.authenticate(basic('machine-2', other.secret)), 'machine-2')
  assert.equal(
    store.authenticate(basic('machine-1', secret).replace('Basic', 'bAsIc ')),
    'machine-1',
  )
  const wrong = [
    undefined,
    '',
    'Basic',
    'Basic ',
    'Basic %%%%',
    `Bearer ${secret}`,
    secret,
    basic('machine-1', ''),
    basic('machine-1', `${secret}x`),
    basic('machine-1', secret.slice(1)),
    basic('machine-1', other.secret),
    basic('machine-3', secret),
    basic('', secret),
    basic('../machine-1', secret),
    basic('__proto__', secret),
    basic('constructor', secret),
    `Basic ${Buffer.from('machine-1').toString('base64')}`,
    `${basic('machine-1', secret)}, ${basic('machine-1', secret)}`,
    basic('machine-1', secret.repeat(10_000)),
    `Basic ${' '.repeat(600)}${basic('machine-1', secret).slice(6)}`,
  ]
  for (const header of wrong) assert.equal(store.authenticate(header), undefined, header)
})

test('The hash from the file is no secret.', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await MachineStore.open(folder)
  await store.add('m')
  const { secret_sha256 } = JSON.parse(await readFile(join(folder, 'm.json'), 'utf8'))
  assert.equal(store.authenticate(basic('m', secret_sha256)), undefined)
})

test('Only ids that are safe as names are taken.', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await MachineStore.open(folder)
  for (const id of ['a', '-', '_x.', 'Z9.json', 'x'.repeat(64)]) await store.add(id)
  for (const id of ['', '.', '..', '.a', 'a/b', 'a b', 'ä', 'a\n', 'a:b', 'x'.repeat(65)]) {
    await assert.rejects(store.add(id), coded('machine_id_invalid'))
    await assert.rejects(store.remove(id), coded('machine_id_invalid'))
  }
  assert.equal(store.list().length, 5)
  await assert.rejects(store.add('\u001b[2J'), coded('machine_id_invalid', /\\x1b/))
})

test('Of many that add one id at the same time, exactly one wins, and its secret works.', async (t) => {
  const folder = await temporaryFolder(t)
  const stores = await Promise.all(Array.from({ length: 16 }, () => MachineStore.open(folder)))
  const results = await Promise.allSettled(stores.map((store) => store.add('m')))
  const secrets = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value.secret] : []))
  assert.equal(secrets.length, 1)
  assert.equal(stores[0]!.authenticate(basic('m', secrets[0]!)), 'm')
  for (const result of results) {
    if (result.status === 'rejected') coded('machine_exists', /machine m /)(result.reason)
  }
  assert.deepEqual(await readdir(folder), ['m.json'])
})

test('A removed machine is refused, unknown, and can be made anew with another secret.', async (t) => {
  const store = await MachineStore.open(await temporaryFolder(t))
  const old = await store.add('m')
  await store.remove('m')
  assert.equal(store.authenticate(basic('m', old.secret)), undefined)
  await assert.rejects(store.remove('m'), coded('machine_unknown', /machine m\./))
  const { secret } = await store.add('m')
  assert.equal(store.authenticate(basic('m', old.secret)), undefined)
  assert.equal(store.authenticate(basic('m', secret)), 'm')
})

test('The list has ids and times in order, and neither it nor the store shows secrets.', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await MachineStore.open(folder)
  const { secret } = await store.add('b')
  await store.add('a')
  const list = store.list()
  assert.deepEqual(
    list.map(({ id }) => id),
    ['a', 'b'],
  )
  assert.deepEqual(Object.keys(list[0]!), ['id', 'createdAt'])
  const hash = createHash('sha256').update(secret).digest('hex')
  for (const text of [JSON.stringify(list), inspect(store, { depth: 9, showHidden: true })]) {
    assert.ok(!text.includes(secret))
    assert.ok(!text.includes(hash))
  }
})

test('What another process adds and removes takes effect at the next request.', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await MachineStore.open(folder)
  const run = (call: string) =>
    outputOf(
      startProcess(
        t,
        `const { MachineStore } = await import('${moduleUrl('machine-store.ts')}')
         const store = await MachineStore.open(${JSON.stringify(folder)})
         console.log(JSON.stringify(await store.${call} ?? null))`,
      ),
    )
  assert.equal(store.authenticate(basic('m', 'x')), undefined)
  const { secret } = JSON.parse(await run(`add('m')`))
  assert.equal(store.authenticate(basic('m', secret)), 'm')
  await run(`remove('m')`)
  assert.equal(store.authenticate(basic('m', secret)), undefined)
})

test('Five hundred changes one after the other each take effect at once.', async (t) => {
  const folder = await temporaryFolder(t)
  const receiver = await MachineStore.open(folder)
  const { secret } = await receiver.add('m')
  const record = readFileSync(join(folder, 'm.json'))
  for (let i = 0; i < 500; i++) {
    assert.equal(receiver.authenticate(basic('m', secret)), 'm')
    await rm(join(folder, 'm.json'))
    assert.equal(receiver.authenticate(basic('m', secret)), undefined)
    writeFileSync(join(folder, 'm.json'), record)
  }
})

/** A store that has read a folder last changed at `mtimeMs`, `afterMs` later; then adds a machine unseen. */
async function addWithinSameMtime(t: TestContext, afterMs: number) {
  const folder = await temporaryFolder(t)
  const mtimeMs = Date.parse('2020-01-01')
  const writer = await MachineStore.open(folder)
  utimesSync(folder, mtimeMs / 1000, mtimeMs / 1000)
  const clock = { ...systemClock, wallMs: () => mtimeMs + afterMs }
  const reader = await MachineStore.open(folder, { clock })
  const { secret } = await writer.add('m')
  utimesSync(folder, mtimeMs / 1000, mtimeMs / 1000)
  return reader.authenticate(basic('m', secret))
}

test('A change that leaves the mtime as it was is seen when the folder was read just before.', async (t) => {
  assert.equal(await addWithinSameMtime(t, 0), 'm')
  assert.equal(await addWithinSameMtime(t, 20), 'm')
  assert.equal(await addWithinSameMtime(t, -20), 'm')
})

test('A folder that has been quiet is not read again.', async (t) => {
  assert.equal(await addWithinSameMtime(t, 1000), undefined)
  assert.equal(await addWithinSameMtime(t, -1000), undefined)
})

test('A damaged machine is left out and reported once; the others work.', async (t) => {
  const folder = await temporaryFolder(t)
  const reports: string[] = []
  const good = await (await MachineStore.open(folder)).add('good')
  const hash = 'a'.repeat(64)
  const damaged = {
    'empty.json': '',
    'half.json': `{"id":"half","secret_sha256":"${hash}`,
    'null.json': 'null',
    'number.json': '7',
    'other.json': `{"id":"good","secret_sha256":"${hash}","created_at":"x"}`,
    'short.json': '{"id":"short","secret_sha256":"aa","created_at":"x"}',
    'timeless.json': `{"id":"timeless","secret_sha256":"${hash}"}`,
  }
  for (const [name, text] of Object.entries(damaged)) await writeFile(join(folder, name), text)
  await mkdir(join(folder, 'folder.json'))
  await writeFile(join(folder, '.hidden.json.123.tmp'), 'x')
  await writeFile(join(folder, 'README.txt'), 'x')

  const store = await MachineStore.open(folder, {
    onDamaged: (file, reason) => reports.push(`${file} ${reason}`),
  })
  for (let i = 0; i < 3; i++) assert.equal(store.authenticate(basic('good', good.secret)), 'good')
  assert.deepEqual(
    store.list().map(({ id }) => id),
    ['good'],
  )
  assert.deepEqual(
    reports.map((report) => report.slice(folder.length + 1).split(' ')[0]).sort(),
    [...Object.keys(damaged), 'folder.json'].sort(),
  )
  assert.ok(!reports.join().includes(hash))
  await assert.rejects(store.add('half'), coded('machine_exists'))
  await store.remove('half')
  assert.match((await store.add('half')).secret, /^.{43}$/)
})

test('A machines folder that is gone is an error, not a refusal, and its return is noticed.', async (t) => {
  const parent = await temporaryFolder(t)
  const folder = join(parent, 'machines')
  await assert.rejects(MachineStore.open(folder), coded('data_folder_unusable', /machines/))
  await mkdir(folder)
  const store = await MachineStore.open(folder, { clock: farClock })
  const { secret } = await store.add('m')
  assert.equal(store.authenticate(basic('m', secret)), 'm')
  await rename(folder, join(parent, 'away'))
  assert.throws(() => store.authenticate(basic('m', secret)), coded('data_folder_unusable'))
  await assert.rejects(store.add('n'), coded('data_folder_unusable'))
  await rename(join(parent, 'away'), folder)
  assert.equal(store.authenticate(basic('m', secret)), 'm')
  assert.deepEqual(readdirSync(folder), ['m.json'])
})
