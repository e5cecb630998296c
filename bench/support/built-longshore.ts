import { execFileSync } from 'node:child_process'
import { cpSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TempFolder } from './temp-folder.ts'

const top = fileURLToPath(new URL('../..', import.meta.url))

/** JavaScript, as it is published: stripping types at every start would be measured too. */
export interface Built {
  /** The command. */
  readonly longshore: string
  /** Folder of the two programs of bench/bare-http2, as `.js`. */
  readonly bareHttp2: string
}

/**
 * Builds what is measured into a temporary folder that has the layout of the published package.
 *
 * @throws Error when the sources do not compile.
 */
export function buildLongshore(temp: TempFolder): Built {
  const folder = temp.folder('package')
  const dist = join(folder, 'dist')
  const tsconfig = join(folder, 'tsconfig.json')
  const config = {
    extends: join(top, 'tsconfig.build.json'),
    compilerOptions: {
      rootDir: top,
      outDir: dist,
      typeRoots: [join(top, 'node_modules/@types')],
    },
    include: ['src', 'workers', 'bench/bare-http2'].map((name) => join(top, name)),
  }
  writeFileSync(tsconfig, JSON.stringify(config))
  execFileSync(join(top, 'node_modules/.bin/tsc'), ['-p', tsconfig], { stdio: 'inherit' })
  cpSync(join(top, 'bin'), join(folder, 'bin'), { recursive: true })
  cpSync(join(top, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(top, 'node_modules'), join(folder, 'node_modules'))
  return { longshore: join(folder, 'bin/longshore'), bareHttp2: join(dist, 'bench/bare-http2') }
}
