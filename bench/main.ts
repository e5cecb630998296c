import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { largeFile } from './large-file.ts'
import { smallFiles } from './small-files.ts'
import { buildLongshore } from './support/built-longshore.ts'
import { machineFacts, machineLine } from './support/machine-line.ts'
import type { Question } from './support/question.ts'
import { tableText } from './support/report.ts'
import { TempFolder } from './support/temp-folder.ts'

/*
 * `npm run bench -- QUESTION [--rounds N] [--quick] [--json FILE] [--dir DIR]
 *   [--device-dir DIR] [--profile DIR]`
 * Without a question: lists them.
 */
const questions: readonly Question[] = [smallFiles, largeFile]
const defaultRounds = 5
const quickRounds = 2

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    dir: { type: 'string' },
    'device-dir': { type: 'string' },
    profile: { type: 'string' },
  },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const rounds = Number(values.rounds ?? (values.quick ? quickRounds : defaultRounds))
const question = questions.find(({ name }) => name === positionals[0])
if (positionals.length === 0) {
  for (const { name, asks } of questions) console.log(`${name.padEnd(14)} ${asks}`)
} else if (question === undefined || positionals.length > 1) {
  fail(
    `no such question: ${positionals.join(' ')}; there are ${questions.map((q) => q.name).join(', ')}`,
  )
} else if (!Number.isInteger(rounds) || rounds < 1) {
  fail(`--rounds: expected a whole number above 0, found ${values.rounds}`)
} else {
  await ask(question)
}

async function ask({ name, run }: Question): Promise<void> {
  using temp = TempFolder.make(values.dir)
  if (values.profile !== undefined) mkdirSync(values.profile, { recursive: true })
  const built = buildLongshore(temp)
  const machine = machineFacts(temp.path)
  console.log(`${machineLine(machine)}\n`)
  const { quick, profile: profileDir, 'device-dir': deviceDir } = values
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const { data, tables, notes } = await run({
    rounds,
    quick,
    profileDir,
    deviceDir,
    temp,
    say,
    ...built,
  })
  for (const table of tables) console.log(`${tableText(table)}\n`)
  for (const note of notes) console.log(`* ${note}`)
  if (values.json === undefined) return
  const all = {
    question: name,
    measured_at: new Date().toISOString(),
    machine,
    rounds,
    quick,
    ...data,
  }
  writeFileSync(values.json, `${JSON.stringify({ ...all, notes }, undefined, 2)}\n`)
}

function fail(message: string): void {
  process.stderr.write(`bench: ${message}\n`)
  process.exitCode = 2
}
