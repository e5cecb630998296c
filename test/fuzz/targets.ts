import { capture } from './capture-target.ts'
import { config } from './config-target.ts'
import type { FuzzTarget } from './fuzz-target.ts'
import { request, uploadFields } from './header-targets.ts'
import { manifest, manifestJson } from './manifest-targets.ts'
import { form, multipart, verdict } from './multipart-targets.ts'

export const targets: readonly FuzzTarget[] = [
  multipart,
  form,
  verdict,
  manifest,
  manifestJson,
  config,
  capture,
  uploadFields,
  request,
]
