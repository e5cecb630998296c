import type { Random } from '../wire/random.ts'

/**
 * One thing that takes what strangers send. `run` makes an input from `random`, has it read, and
 * checks what must hold of any input. It throws when something does not hold.
 *
 * @returns in a few words how it ended. Many different ends show that the inputs reach far.
 */
export interface FuzzTarget {
  readonly name: string
  run(random: Random): string | Promise<string>
}

/** What is wrong, without the parts of a message that differ from input to input. */
export function outcomeOf(message: string): string {
  return message
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '"..."')
    .replaceAll(/0x[0-9a-f]+/g, '0xN')
    .replaceAll(/\d+/g, 'N')
    .slice(0, 100)
}
