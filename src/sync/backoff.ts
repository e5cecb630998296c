/**
 * How long to wait after the nth failure in a row: full jitter, so that a thousand robots whose
 * receiver comes back do not all come back with it.
 *
 * @param failures - 1 for the first.
 * @param random - 0 to 1.
 */
export function backoffMs(
  failures: number,
  { firstMs, capMs }: { readonly firstMs: number; readonly capMs: number },
  random: number,
): number {
  const ceilingMs = Math.min(capMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.max(firstMs / 4, ceilingMs * random)
}
