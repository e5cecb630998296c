import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errnoOf, exitCodes, LongshoreError, messageOf } from '../../base/errors.ts'
import { ensureCa } from '../../receiver/identity/ca.ts'
import { hostIsCovered } from '../../receiver/identity/certificates.ts'
import { openDataFolder } from '../../receiver/identity/data-folder.ts'
import { deviceConfigFor, parseReceiverAddress } from '../../receiver/identity/device-config.ts'
import { parseMachineId } from '../../receiver/identity/machine-id.ts'
import { MachineStore } from '../../receiver/identity/machine-store.ts'
import { localNames } from '../../receiver/identity/server-names.ts'
import { type Command, type CommandContext, readArgs, usageError } from '../command.ts'

export const machineAddCommand: Command = {
  name: 'receiver machine add',
  help: `Usage: longshore receiver machine add ID --address URL [--data DIR] [--ca FILE | --system-ca]

Admits a machine and prints a complete config file for it on stdout: copy it to the machine and run
longshore there. The secret in it is shown this once. Works while the receiver runs.

  --address URL  how the machine reaches the receiver: https://HOST:PORT
  --data DIR     the receiver's data folder; default ./longshore-data. Made if it is missing
  --ca FILE      with a receiver started with --tls-cert: the CA that signed it (PEM)
  --system-ca    the machine trusts its system's CAs instead

Example: longshore receiver machine add robot-7 --address https://192.168.1.20:8443 > robot-7.json
`,
  run: runAdd,
}

async function runAdd(context: CommandContext): Promise<number> {
  const options = {
    ...dataOption,
    address: { type: 'string' },
    ca: { type: 'string' },
    'system-ca': { type: 'boolean' },
  } as const
  const { values, positionals } = readArgs(machineAddCommand, context, options, ['ID'])
  const id = parseMachineId(positionals[0]!)
  if (values.address === undefined) throw usageError(machineAddCommand, '--address is missing')
  if (values.ca !== undefined && values['system-ca'] === true) {
    throw usageError(machineAddCommand, '--ca and --system-ca exclude each other')
  }
  const { host, origin } = parseReceiverAddress(values.address)
  const dataFolder = await openDataFolder(values.data, { store: 'as_made', create: true })
  const usesOwnCa = values.ca === undefined && values['system-ca'] !== true
  let caPem: string | undefined
  if (values.ca !== undefined) caPem = await readCa(values.ca)
  else if (usesOwnCa && origin.startsWith('https:')) {
    caPem = (await ensureCa(dataFolder.tlsFolder)).certPem
    if (!(await isCovered(dataFolder.tlsFolder, host))) {
      context.stderr.write(
        `longshore: note: the receiver's certificate does not cover ${host} yet. ` +
          `Start it with: longshore receiver start --name ${host}\n`,
      )
    }
  }
  const machines = await MachineStore.open(dataFolder.machinesFolder)
  const { secret } = await machines.add(id)
  const config = deviceConfigFor({ id, secret, address: values.address, caPem })
  context.stdout.write(`${JSON.stringify(config, undefined, 2)}\n`)
  if (dataFolder.store === 'null') {
    context.stderr.write('longshore: note: this receiver THROWS AWAY what it gets (--store null)\n')
  }
  return exitCodes.done
}

/** By the certificate that is there, or by the names that one would be made for. */
async function isCovered(tlsFolder: string, host: string): Promise<boolean> {
  if (localNames().includes(host)) return true
  try {
    return hostIsCovered(host, await readFile(`${tlsFolder}/server.pem`, 'utf8'))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

async function readCa(file: string): Promise<string> {
  try {
    const pem = await readFile(file, 'utf8')
    if (new X509Certificate(pem).ca) return pem
    throw new Error('it is not the certificate of a CA')
  } catch (error) {
    throw new LongshoreError('tls_files_invalid', `--ca ${file}: ${messageOf(error)}`, {
      hint: 'Give the PEM file of the CA that signed the certificate of the receiver.',
    })
  }
}

const dataOption = { data: { type: 'string', default: './longshore-data' } } as const

export const machineListCommand: Command = {
  name: 'receiver machine list',
  help: `Usage: longshore receiver machine list [--data DIR]

Prints one line for each machine: its id and since when it is admitted.

Example: longshore receiver machine list --data /srv/longshore
`,
  run: async (context) => {
    const { values } = readArgs(machineListCommand, context, dataOption)
    const machines = await openMachines(values.data)
    for (const { id, createdAt } of machines.list()) context.stdout.write(`${id}\t${createdAt}\n`)
    return exitCodes.done
  },
}

export const machineRemoveCommand: Command = {
  name: 'receiver machine remove',
  help: `Usage: longshore receiver machine remove ID [--data DIR]

The machine's credentials are refused from now on. What it sent stays. Works while the receiver runs.

Example: longshore receiver machine remove robot-7 --data /srv/longshore
`,
  run: async (context) => {
    const { values, positionals } = readArgs(machineRemoveCommand, context, dataOption, ['ID'])
    const machines = await openMachines(values.data)
    await machines.remove(positionals[0]!)
    context.stdout.write(`${positionals[0]} is refused from now on; the data it sent is kept\n`)
    return exitCodes.done
  },
}

async function openMachines(data: string): Promise<MachineStore> {
  const dataFolder = await openDataFolder(data, { store: 'as_made', create: false })
  return MachineStore.open(dataFolder.machinesFolder)
}
