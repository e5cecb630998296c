import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildLongshore } from '../support/built-longshore.ts'
import { machineFacts, machineLine } from '../support/machine-line.ts'
import { tableText } from '../support/report.ts'
import { TempFolder } from '../support/temp-folder.ts'
import { boundsTable, isKept } from './bound.ts'
import { hour } from './hour.ts'
import { million } from './million.ts'
import type { BoundsOptions, BoundsQuestion } from './question.ts'
import { sparse } from './sparse.ts'

const questions: readonly BoundsQuestion[] = [million, sparse, hour]

const usage = `Usage: npm run bounds -- QUESTION [options]

${questions.map(({ name, asks }) => `  ${name.padEnd(10)} ${asks}`).join('\n')}

  --files N      million: how many files there are; default 1000000
  --seconds N    million: for how long they are synced; default 120
  --offline N    million: seconds without a receiver before that; default 60
  --gib N        sparse: the size of the file; default 20
  --minutes N    hour: how long it is; default 60
  --json FILE    everything that was measured
  --dir DIR      where the receivers' folders go; default: the system's
  --device DIR   where the device's files are made; default: in memory, if there is room

Exit status: 0 all bounds are kept; 1 one is broken, or a run failed; 2 usage.
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '120' },
    offline: { type: 'string', default: '60' },
    gib: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '60' },
    json: { type: 'string' },
    dir: { type: 'string' },
    device: { type: 'string' },
  },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const options: BoundsOptions = {
  files: Number(values.files),
  seconds: Number(values.seconds),
  offlineSeconds: Number(values.offline),
  gib: Number(values.gib),
  minutes: Number(values.minutes),
}
const question = questions.find(({ name }) => name === positionals[0])
const isUsable = Object.values(options).every((value) => value > 0)
if (question === undefined || positionals.length !== 1 || !isUsable) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  process.exitCode = (await ask(question)) ? 0 : 1
}

/** Whether all bounds are kept. */
async function ask({ name, deviceBytes, run }: BoundsQuestion): Promise<boolean> {
  using temp = TempFolder.make(values.dir)
  using device =
    values.device === undefined
      ? TempFolder.makeInMemory(deviceBytes(options), temp)
      : TempFolder.make(values.device)
  const { longshore } = buildLongshore(temp)
  const machine = machineFacts(device.path)
  console.log(`${machineLine(machine)}\n`)
  const startedAtMs = performance.now()
  const say = (line: string) => {
    const at = ((performance.now() - startedAtMs) / 1000).toFixed(1)
    process.stderr.write(`${at.padStart(7)} s  ${line}\n`)
  }
  const { data, tables, notes, bounds } = await run({ ...options, longshore, temp, device, say })
  for (const table of [...tables, boundsTable(bounds)]) console.log(`${tableText(table)}\n`)
  for (const note of notes) console.log(`* ${note}`)
  if (values.json !== undefined) {
    const all = {
      question: name,
      measured_at: new Date().toISOString(),
      machine,
      bounds,
      ...data,
      notes,
    }
    writeFileSync(values.json, `${JSON.stringify(all, undefined, 2)}\n`)
  }
  return bounds.every(isKept)
}
