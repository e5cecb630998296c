import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const top = fileURLToPath(new URL('..', import.meta.url))

/**
 * Who may import whom. Everything may import its own folder and src/base; nothing else that is not
 * listed. Four floors: main, commands, then the ends and threads, which never import each other, then
 * what they share.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'src/main.ts': ['src/commands'],
  'src/commands': [
    'workers/entry-url.ts',
    'src/sync',
    'src/receiver',
    'src/wire',
    'src/room',
    'src/scan',
    'src/probe',
    'src/config',
    'src/telemetry',
  ],
  'src/sync': ['src/wire', 'src/room', 'src/scan', 'src/probe', 'src/config', 'src/telemetry'],
  workers: ['src/wire', 'src/capture'],
  'src/receiver': ['src/wire', 'src/telemetry'],
  'src/room': ['src/scan', 'src/capture'],
  'src/scan': ['src/capture', 'src/probe'],
  'src/probe': [],
  'src/capture': [],
  'src/config': [],
  'src/wire': [],
  'src/telemetry': [],
  'src/base': [],
}

/** Packages that belong to one thread or one end. The rest of the house must not load them. */
const packageHomes: Readonly<Record<string, readonly string[]>> = {
  undici: ['workers'],
  piscina: ['src/sync'],
  msgpackr: ['src/wire'],
  '@napi-rs/blake-hash': ['src/base'],
  '@peculiar/x509': ['src/receiver'],
  'reflect-metadata': ['src/receiver'],
  'node:http2': ['src/receiver'],
  'node:sqlite': ['src/receiver'],
}

interface Import {
  readonly from: string
  readonly to: string
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(top, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(top, file), 'utf8')
  const specifiers = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)
  return [...specifiers].map(([, specifier]) => ({
    from: file,
    to: specifier!.startsWith('.') ? normalize(join(dirname(file), specifier!)) : specifier!,
  }))
}

/** The key of `mayImport` that a file stands under. */
function houseOf(file: string): string | undefined {
  return Object.keys(mayImport).find((key) => file === key || file.startsWith(`${key}/`))
}

const imports = [...sourceFiles('src'), ...sourceFiles('workers')].flatMap(importsOf)
const isInternal = ({ to }: Import) => to.startsWith('src/') || to.startsWith('workers/')

test('every file of the product stands in a folder of the design', () => {
  const homeless = [...sourceFiles('src'), ...sourceFiles('workers')].filter((f) => !houseOf(f))
  assert.deepEqual(homeless, [])
})

test('imports run downwards only', () => {
  const wrong = imports.filter(isInternal).filter(({ from, to }) => {
    const home = houseOf(from)!
    const allowed = [home, 'src/base', ...mayImport[home]!]
    return !allowed.some((each) => to === each || to.startsWith(`${each}/`))
  })
  assert.deepEqual(wrong, [])
})

test('no file imports itself by a detour', () => {
  const graph = new Map<string, string[]>()
  for (const { from, to } of imports.filter(isInternal)) {
    graph.set(from, [...(graph.get(from) ?? []), to])
  }
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  assert.deepEqual(cycles, [])
})

test('packages that are made for one thread or one end are loaded there only', () => {
  const wrong = imports.filter(({ from, to }) => {
    const homes = packageHomes[to]
    return homes !== undefined && !homes.some((home) => from.startsWith(`${home}/`))
  })
  assert.deepEqual(wrong, [])
})

test('the check sees the imports that are there', () => {
  assert.ok(imports.length > 300, `only ${imports.length} imports found`)
  const here = relative(top, fileURLToPath(import.meta.url))
  assert.ok(importsOf(here).some(({ to }) => to === 'node:test'))
})
