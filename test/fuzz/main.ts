import { parseArgs } from 'node:util'
import { runTarget } from './run-target.ts'
import { targets } from './targets.ts'
import { Watchdog } from './watchdog.ts'

/*
 * `npm run fuzz -- --target NAME [--count N] [--seed S] [--from I]`
 * Without a target: lists them.
 */
const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
  },
})

/** No input takes nearly as long. */
const hangsAfterMs = 10_000
/** All inputs are small: a process that grows beyond this keeps something of them. */
const mostRssBytes = 512 * 1024 * 1024

const target = targets.find(({ name }) => name === values.target)
const [count, seed, from] = [values.count, values.seed, values.from].map(Number) as [
  number,
  number,
  number,
]
if (values.target === undefined) {
  for (const { name } of targets) console.log(name)
} else if (target === undefined) {
  fail(`no such target: ${values.target}; there are ${targets.map(({ name }) => name).join(', ')}`)
} else if (![count, seed, from].every((value) => Number.isSafeInteger(value) && value >= 0)) {
  fail('--count, --seed and --from are whole numbers')
} else {
  const startedAtMs = performance.now()
  const watchdog = new Watchdog(hangsAfterMs)
  let slowest = { index: from, ms: 0 }
  let last = { index: from, atMs: startedAtMs }
  let mostRss = 0
  const onInput = (index: number) => {
    watchdog.alive(index)
    const atMs = performance.now()
    if (atMs - last.atMs > slowest.ms) slowest = { index: last.index, ms: atMs - last.atMs }
    last = { index, atMs }
    if (index % 1000 !== 0) return
    mostRss = Math.max(mostRss, process.memoryUsage.rss())
    if (mostRss > mostRssBytes) throw new Error(`the process has grown to ${mostRss} bytes`)
  }
  const outcomes = await runTarget(target, { seed, count, from, onInput })
  await watchdog.stop()
  const seconds = (performance.now() - startedAtMs) / 1000
  for (const [outcome, times] of [...outcomes].sort((a, b) => b[1] - a[1])) {
    console.log(`${String(times).padStart(9)}  ${outcome}`)
  }
  console.log(
    `${target.name}: ${count} inputs in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)}/s, ` +
      `${outcomes.size} outcomes, at most ${Math.round(mostRss / 1e6)} MB, ` +
      `slowest input ${slowest.index} with ${slowest.ms.toFixed(1)} ms`,
  )
}

function fail(message: string): void {
  console.error(message)
  process.exitCode = 2
}
