import { spawnSync } from 'node:child_process'

/** An ordinary user who owns nothing: permissions do not bind root. */
const nobody = 65534
const isRoot = process.geteuid!() === 0

/**
 * What a program prints, as JSON, when it runs without the rights of root: as another user where this
 * process has them. `program` may import modules of src/ by `src('...')`.
 */
export function asOrdinaryUser(program: string): unknown {
  const source = `const src = (name) => import(${JSON.stringify(new URL('../../src/', import.meta.url).href)} + name)
${program}`
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', source],
    { encoding: 'utf8', cwd: '/', ...(isRoot && { uid: nobody, gid: nobody }) },
  )
  if (status !== 0) throw new Error(`it ended with status ${status}:\n${stderr}`)
  return JSON.parse(stdout)
}

/** Who that is. */
export const ordinaryUid = isRoot ? nobody : process.geteuid!()
