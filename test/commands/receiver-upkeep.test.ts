import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { DataFolder } from '../../src/receiver/identity/data-folder.ts'
import { until } from '../receiver/support/receiver.ts'
import { incoming, ingestInto, openStores, temporaryFolder } from '../receiver/support/stores.ts'
import { damage, flip, listing, seededFolder } from '../receiver/upkeep/seeded-folder.ts'
import {
  longshoreCommand,
  longshoreRun,
  longshoreStart,
  startReceiverProcess,
  writeMachineConfig,
} from '../support/longshore-process.ts'
import { buildMessage } from '../support/message.ts'

/** Long enough to be killed in. */
async function largerFolder(t: TestContext): Promise<DataFolder> {
  const dataFolder = await seededFolder(t)
  const stores = await openStores(dataFolder.path)
  const ingest = ingestInto(stores)
  for (let message = 0; message < 40; message += 1) {
    const files = Array.from({ length: 500 }, (_, file) => ({
      path: `/larger/${message}/${file}`,
      bytes: `content ${message} ${file}`,
    }))
    await ingest.take(incoming(buildMessage(files)))
  }
  await stores.close()
  return dataFolder
}

test('invariant 3: receiver rebuild killed at any time leaves a catalog that lists everything.', async (t) => {
  const dataFolder = await largerFolder(t)
  const { path, catalogFile } = dataFolder
  const before = listing(catalogFile)
  const args = ['receiver', 'rebuild', '--data', path]
  let killed = 0
  for (let round = 0; round < 6; round += 1) {
    const kept = readdirSync(path).filter((name) => name.includes('.old-')).length
    const running = longshoreStart(args)
    const isAt = [
      () => existsSync(`${catalogFile}.new`),
      () => existsSync(`${catalogFile}.new-wal`),
      () => existsSync(`${catalogFile}.old-${kept + 1}`),
    ][round % 3]!
    await until(isAt)
    for (let turn = 0; turn < round; turn += 1) await new Promise((next) => setTimeout(next, 10))
    if ((await running.end('SIGKILL')) === null) killed += 1
    assert.deepEqual(listing(catalogFile), before, `round ${round}`)
  }
  assert.ok(killed > 0)
  assert.match(await longshoreCommand(...args), /rebuilt the catalog/)
  assert.deepEqual(listing(catalogFile), before)
  const left = readdirSync(path).filter((name) => name.includes('.new'))
  assert.deepEqual(left, [])
})

test('receiver rebuild says what it did, what is lost, and ends with 3 then', async (t) => {
  const { path, ...dataFolder } = await seededFolder(t)
  const args = ['receiver', 'rebuild', '--data', path]
  const whole = await longshoreRun(args)
  assert.equal(whole.status, 0, whole.stderr)
  assert.match(whole.stdout, /32 files of 9 messages in 5 segments\n.*kept as .*\.old-1\n$/)
  assert.equal(whole.stderr, '')
  const victim = listing(dataFolder.catalogFile).find((file) => file.path === '/last')!
  await damage({ path, ...dataFolder }, victim.segmentId, (bytes) => flip(bytes, victim.offset))
  const damaged = await longshoreRun(args)
  assert.equal(damaged.status, 3)
  assert.match(damaged.stderr, /lost: crane: \/last \(segment 3, byte \d+\)/)
  assert.match(damaged.stderr, /damaged: segment 3 from byte \d+/)
  assert.match(damaged.stderr, /1 file of the old catalog lost \[data_damaged\]/)
  assert.match(damaged.stdout, /31 files/)
})

test('receiver rebuild refuses a folder that a receiver works on', async (t) => {
  const receiver = await startReceiverProcess(join(await temporaryFolder(t), 'data'))
  const { status, stderr } = await longshoreRun(['receiver', 'rebuild', '--data', receiver.dataDir])
  await receiver.end()
  assert.equal(status, 4)
  assert.match(stderr, /data_folder_in_use/)
})

test('receiver verify ends with 0 or 3, beside a running receiver and without one', async (t) => {
  const dataFolder = await seededFolder(t)
  const args = ['receiver', 'verify', '--data', dataFolder.path, '--rate', '0']
  const stopped = await longshoreRun(args)
  const receiver = await startReceiverProcess(dataFolder.path)
  const running = await longshoreRun(args)
  const victim = listing(dataFolder.catalogFile).find((file) => file.path.startsWith('/b/'))!
  await damage(dataFolder, victim.segmentId, (bytes) => flip(bytes, victim.offset))
  const damaged = await longshoreRun(args)
  await receiver.end()
  for (const { status, stdout, stderr } of [stopped, running]) {
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^verified 32 files, 3\.0 MB in 5 segments: nothing damaged\n$/)
  }
  assert.equal(damaged.status, 3)
  assert.match(damaged.stderr, /damaged: robot: \/b\/\\xff\\xfe \(segment 1, byte \d+\)/)
  assert.match(damaged.stderr, /damaged: the record in segment 1 at byte \d+ cannot be read whole/)
  assert.match(damaged.stdout, /^verified 31 files/)
})

test('receiver verify that a signal ends says so, ends with 5, and goes on there', async (t) => {
  const { path } = await seededFolder(t)
  const state = join(await temporaryFolder(t), 'state')
  const args = ['receiver', 'verify', '--data', path, '--state', state]
  const running = longshoreStart([...args, '--rate', '0.1'])
  await until(() => openFiles(running.pid).some((file) => file.endsWith('000000000004.seg')))
  assert.equal(await running.end('SIGINT'), 5)
  assert.match(running.stderr(), /before segment 4 \[stopped\]/)
  assert.match(running.stdout(), /in 3 segments: nothing damaged/)
  const rest = await longshoreCommand(...args, '--rate', '0')
  assert.match(rest, /verified 2 files, 3\.0 MB in 2 segments: nothing damaged\n$/)
  assert.equal(JSON.parse(readFileSync(state, 'utf8')).next_segment, 1)
})

function openFiles(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(join(folder, name))]
    } catch {
      // Closed since the folder was read.
      return []
    }
  })
}

test('receiver verify --for reads at least a segment each time, and all of them in turn', async (t) => {
  const { path } = await seededFolder(t)
  const state = join(await temporaryFolder(t), 'state')
  const args = ['receiver', 'verify', '--data', path, '--state', state, '--for', '0s']
  const nexts: number[] = []
  for (let run = 0; run < 6; run += 1) {
    assert.match(await longshoreCommand(...args), /in [01] segments/)
    nexts.push(JSON.parse(readFileSync(state, 'utf8')).next_segment)
  }
  assert.deepEqual(nexts, [2, 3, 4, 5, 6, 1])
})

test('wrong options of verify and backup end them with 2 and say what is wrong', async (t) => {
  const folder = await temporaryFolder(t)
  const { path } = await seededFolder(t)
  const notOurs = join(folder, 'not-ours')
  writeFileSync(notOurs, '{"format":1,"next_segment":3,"data_created_at":"2000-01-01T00:00:00Z"}')
  const noState = join(folder, 'no-state')
  writeFileSync(noState, 'something else')
  const cases = [
    [['verify', '--rate', 'fast'], /--rate/],
    [['verify', '--rate', '-1'], /--rate/],
    [['verify', '--for', '30m'], /--state/],
    [['verify', '--for', 'soon', '--state', join(folder, 'x')], /--for/],
    [['verify', '--state', notOurs], /another data folder/],
    [['verify', '--state', noState], /not what/],
    [['verify', '--state', join(folder, 'nowhere', 'state'), '--rate', '0'], /nowhere/],
    [['backup'], /--to/],
    [['backup', '--to', folder], /other files/],
  ] as const
  const run = (args: readonly string[]) => longshoreRun(['receiver', ...args, '--data', path])
  const results = await Promise.all(cases.map(([args]) => run(args)))
  for (const [index, [args, pattern]] of cases.entries()) {
    const { status, stderr } = results[index]!
    assert.equal(status, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, pattern)
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack')
  }
})

/** The commands of one section of docs/operations.md, each as its words. */
function documentedCommands(section: string): string[][] {
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const body = text.split(/^## /m).find((part) => part.startsWith(section)) ?? ''
  const blocks = [...body.matchAll(/```sh\n([^`]*)```/g)].flatMap((match) => match[1]!.split('\n'))
  return blocks.filter((line) => line !== '').map((line) => line.split(' '))
}

test('invariants 2 and 3: backup and restore as documented, made while machines upload, have what was acknowledged.', async (t) => {
  const top = await temporaryFolder(t)
  const receiver = await startReceiverProcess(join(top, 'original'))
  const capture = join(top, 'capture')
  mkdirSync(capture)
  const config = join(top, 'robot.json')
  const attributes = {
    capture_dir: capture,
    file_last_modified_millis: 1,
    sync_interval_mins: 0.002,
  }
  await writeMachineConfig(config, receiver, 'robot', attributes)
  const names: Record<string, string> = {
    '/srv/longshore': receiver.dataDir,
    '/mnt/backup/longshore': join(top, 'backup'),
    '/srv/longshore-restored': join(top, 'restored'),
  }
  const commands = documentedCommands('Backup').map((words) =>
    words.map((word) => names[word] ?? word),
  )
  assert.deepEqual(
    commands.map(([program, , command]) => (program === 'longshore' ? command : program)),
    ['backup', 'ls', 'verify', 'cp', 'start'],
  )
  const [backup, ls, verify, copy, start] = commands as [
    string[],
    string[],
    string[],
    string[],
    string[],
  ]
  const daemon = longshoreStart(['run', '--config', config])
  let written = 0
  const writing = setInterval(() => {
    written += 1
    writeFileSync(join(capture, `f${written}`), `content ${written}`)
  }, 5)
  t.after(() => clearInterval(writing))
  const stored = () => listing(join(receiver.dataDir, 'catalog.sqlite'))
  await until(() => existsSync(join(receiver.dataDir, 'catalog.sqlite')) && stored().length > 0)
  let acknowledged = stored()
  for (let round = 0; round < 3; round += 1) {
    const already = acknowledged.length
    await until(() => stored().length > already)
    acknowledged = stored()
    await longshoreCommand(...backup.slice(1))
  }
  clearInterval(writing)
  await daemon.end()
  await receiver.end()
  await rm(receiver.dataDir, { recursive: true })
  const listed = (await longshoreCommand(...ls.slice(1), '--json')).trim().split('\n')
  const paths = new Set(listed.map((line) => JSON.parse(line).path))
  assert.deepEqual(
    acknowledged.filter(({ path }) => !paths.has(path)),
    [],
  )
  assert.match(await longshoreCommand(...verify.slice(1)), /nothing damaged/)
  const copied = await longshoreRun(copy.slice(1), { program: copy[0]! })
  assert.equal(copied.status, 0, copied.stderr)
  const port = new URL(receiver.address).port
  const restored = longshoreStart([...start.slice(1), '--listen', `127.0.0.1:${port}`])
  await restored.printed(/listening on/)
  const out = join(top, 'out')
  await longshoreCommand(
    'receiver',
    'export',
    '--data',
    names['/srv/longshore-restored']!,
    '--to',
    out,
  )
  for (const path of paths) {
    const number = /f(\d+)$/.exec(path)![1]
    assert.equal(readFileSync(join(out, 'robot', path), 'utf8'), `content ${number}`)
  }
  // The machine knows the restored receiver by the same name, CA and secret.
  writeFileSync(join(capture, 'later'), 'later')
  await until(async () => (await longshoreRun(['sync', '--config', config])).status === 0)
  await until(() => !existsSync(join(capture, 'later')))
  await restored.end()
})

test('the other documented commands run as they are written', async (t) => {
  const { path } = await seededFolder(t)
  const folder = await temporaryFolder(t)
  const names: Record<string, string> = {
    '/srv/longshore': path,
    '/var/lib/longshore-verify': join(folder, 'state'),
  }
  const commands = ['Check', 'Damage'].flatMap(documentedCommands)
  assert.equal(commands.length, 3)
  for (const words of commands) {
    await longshoreCommand(...words.slice(1).map((word) => names[word] ?? word))
  }
  await unlink(join(folder, 'state'))
})
