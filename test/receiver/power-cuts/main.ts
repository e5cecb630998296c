import { parseArgs } from 'node:util'
import { formatCount } from '../../../src/base/format.ts'
import { cutPowerEverywhere } from './power-cuts.ts'

const usage = `Usage: npm run power-cuts -- [--seed S] [--runs N] [--variants N]

Records what a receiver does on a modelled disk, and after every step cuts the power or kills it: what
was never synced is lost, kept, torn or zeroed, by the seed. Then a receiver is started on what is left.

  --seed S      of the first run; each further run has the next one; default 1
  --runs N      default 3: one in which no sync fails, one in which some fail, one in which all fail for a while
  --variants N  ways to survive at each point; default 8

Exit status: 0 all is well; 1 not so: what is wrong is printed.
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      runs: { type: 'string', default: '3' },
      variants: { type: 'string', default: '8' },
      help: { type: 'boolean' },
    },
  })
  const [seed, runs, variants] = [values.seed, values.runs, values.variants].map(Number) as [
    number,
    number,
    number,
  ]
  const areWhole = [seed, runs, variants].every((value) => Number.isSafeInteger(value) && value > 0)
  if (values.help === true || !areWhole) {
    process.stderr.write(usage)
    return values.help === true ? 0 : 2
  }
  const startedAtMs = performance.now()
  const sums = { points: 0, states: 0, acknowledged: 0, refused: 0, wrong: 0 }
  const kinds = ['none', 'once', 'for_a_while'] as const
  for (let run = 0; run < runs; run += 1) {
    const failures = kinds[run % kinds.length]!
    const result = await cutPowerEverywhere({ seed: seed + run, variants, failures })
    for (const each of result.wrong) process.stdout.write(`${each}\n`)
    sums.wrong += result.wrong.length
    for (const key of ['points', 'states', 'acknowledged', 'refused'] as const) {
      sums[key] += result[key]
    }
  }
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
  const { points, states, acknowledged, refused, wrong } = sums
  process.stdout.write(
    `${formatCount(runs)} runs from seed ${seed}: ${formatCount(points)} points where the power may go, ` +
      `${formatCount(states)} states checked, ${formatCount(acknowledged)} files acknowledged, ` +
      `${formatCount(refused)} requests refused, ${formatCount(wrong)} wrong; ${seconds} s\n`,
  )
  return wrong === 0 ? 0 : 1
}

process.exitCode = await main()
