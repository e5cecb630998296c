import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

interface LockedPackage {
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly dev?: boolean
  readonly resolved?: string
  readonly hasInstallScript?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly version?: string
}

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'))
const packages = Object.entries(lock.packages as Record<string, LockedPackage>)
const nameOf = (path: string) => path.replace(/^.*node_modules\//, '')
const runtime = packages.filter(([path, { dev }]) => path.includes('node_modules/') && !dev)

test('every native part for linux-x64 has its counterpart for linux-arm64', () => {
  const names = new Set(packages.map(([path]) => nameOf(path)))
  const native = packages.filter(([path, { cpu }]) => cpu?.includes('x64') && /linux/.test(path))
  assert.ok(native.length > 0, 'the check sees native packages')
  for (const [path, { version }] of native) {
    const twin = nameOf(path).replace('x64', 'arm64')
    assert.ok(names.has(twin), `${nameOf(path)} has no ${twin}`)
    const found = packages.find(([each]) => nameOf(each) === twin)
    assert.equal(found?.[1].version, version, `${twin} has another version`)
  }
})

test('no package that we run needs an install script', () => {
  const scripted = runtime.filter(([, { hasInstallScript }]) => hasInstallScript)
  // It merely has one: its prebuilt parts are packages of their own, and msgpackr works without.
  const harmless = ['msgpackr-extract']
  assert.deepEqual(
    scripted.map(([path]) => nameOf(path)),
    harmless,
  )
  const { allowScripts } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  assert.deepEqual(Object.keys(allowScripts), harmless)
  assert.ok(Object.values(allowScripts).every((allowed) => allowed === false))
})

test('the packages that must be pinned are pinned exactly', () => {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(String(range), /^\d+\.\d+\.\d+$/, name)
  }
})

test('the lockfile names no registry', () => {
  for (const [path, { resolved }] of packages) {
    assert.ok(resolved === undefined || resolved === 'runtime', `${path}: ${resolved}`)
  }
})

test('docs/dependencies.md says why for each', () => {
  const text = readFileSync(new URL('../docs/dependencies.md', import.meta.url), 'utf8')
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    assert.ok(text.includes(`\`${name}\``), name)
  }
})

test('the lockfile has every optional part of every package: npm ci refuses one that has not', () => {
  const names = new Set(packages.map(([path]) => nameOf(path)))
  for (const [path, { optionalDependencies = {} }] of packages) {
    const missing = Object.keys(optionalDependencies).filter((name) => !names.has(name))
    assert.deepEqual(missing, [], path)
  }
})
