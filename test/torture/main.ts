import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { formatCount } from '../../src/base/format.ts'
import { type TortureResult, torture } from './torture.ts'

const usage = `Usage: npm run torture -- [--seconds N] [--seed S] [--json] [--keep]

Has a receiver, a daemon and the link between them fail again and again, by the seed, while files are
made and changed; then looks whether every version is where it has to be, once and byte for byte.

  --seconds N  how long things fail; default 60
  --seed S     a whole number; default: by the clock
  --json       the result as one JSON object
  --keep       keep the folder also when all is well

Exit status: 0 all is well; 1 not so: what is wrong is printed, and the folder with both ends' data and
logs is kept and named.
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      json: { type: 'boolean' },
      keep: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  const seconds = Number(values.seconds)
  const seed = Number(values.seed)
  if (values.help === true || !(seconds > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write(usage)
    return values.help === true ? 0 : 2
  }
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'longshore-torture-')))
  const startedAtMs = performance.now()
  const tell = (what: string) => {
    const at = ((performance.now() - startedAtMs) / 1000).toFixed(1)
    if (values.json !== true) process.stderr.write(`${at.padStart(7)} s  ${what}\n`)
  }
  tell(`seed ${seed}, ${seconds} s, in ${folder}`)
  const result = await torture({ seconds, seed, folder, tell })
  const isWell = result.violations.length === 0
  const json = JSON.stringify(result, undefined, 2)
  if (values.json === true) process.stdout.write(`${json}\n`)
  else process.stdout.write(asTable(result))
  if (isWell && values.keep !== true) rmSync(folder, { recursive: true, force: true })
  else {
    writeFileSync(join(folder, 'result.json'), json)
    process.stderr.write(`kept: ${folder}\n`)
  }
  return isWell ? 0 : 1
}

function asTable(result: TortureResult): string {
  const { seed, violations, arrived, superseded, takenInWindow, deeds, faults, counts } = result
  const rows: [string, number][] = [
    ...Object.entries(counts),
    ['demanded versions that arrived', arrived],
    ['others that arrived', superseded],
    ['opened after the look, then taken', takenInWindow.length],
    ...Object.entries(deeds).map(([name, n]): [string, number] => [`owners: ${name}`, n]),
    ...Object.entries(faults).map(([name, n]): [string, number] => [`fault: ${name}`, n]),
    ...Object.entries(result.events).map(([name, n]): [string, number] => [`logged: ${name}`, n]),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, n]) => `  ${name.padEnd(width)}  ${formatCount(n).padStart(14)}`)
  const verdict =
    violations.length === 0
      ? `Nothing lost, nothing doubled, nothing mixed up (seed ${seed}).`
      : `${violations.length} violations (seed ${seed}):\n${violations.join('\n')}`
  return `\n${lines.join('\n')}\n\n${verdict}\n`
}

/** Whatever were left over here would keep this process from ending, and nobody would know why. */
const endsWithinMs = 5000

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`torture: ${error instanceof Error ? error.stack : error}\n`)
  process.exitCode = 1
}

setTimeout(() => {
  process.stderr.write(`torture: kept from ending by ${process.getActiveResourcesInfo()}\n`)
  process.exit(1)
}, endsWithinMs).unref()
