import { type BytePath, bytePathFromBytes, pathBytes } from '../../base/byte-path.ts'
import type { CaptureLabels, FileLabels } from '../../wire/manifest.ts'

/** Labels as the catalog keeps them: lists and the capture header as JSON, which SQL can look into. */
export interface LabelsRow {
  readonly root: Uint8Array
  readonly content_type: string
  readonly tags: string
  readonly dataset_ids: string
  readonly coding: string
  readonly capture: string | null
}

export function labelsToRow(labels: FileLabels): LabelsRow {
  return {
    root: pathBytes(labels.root),
    content_type: labels.contentType,
    tags: JSON.stringify(labels.tags),
    dataset_ids: JSON.stringify(labels.datasetIds),
    coding: labels.coding,
    capture: labels.capture === null ? null : captureToJson(labels.capture),
  }
}

export function labelsFromRow(row: LabelsRow): FileLabels {
  return {
    root: bytePathFromBytes(row.root) as BytePath,
    contentType: row.content_type,
    tags: JSON.parse(row.tags),
    datasetIds: JSON.parse(row.dataset_ids),
    coding: row.coding as 'identity',
    capture: row.capture === null ? null : captureFromJson(row.capture),
  }
}

function captureToJson(capture: CaptureLabels): string {
  const methodParameters = capture.methodParameters.map(({ name, typeUrl, value }) => ({
    name,
    typeUrl,
    value: Buffer.from(value).toString('base64'),
  }))
  return JSON.stringify({ ...capture, methodParameters })
}

function captureFromJson(json: string): CaptureLabels {
  const capture = JSON.parse(json)
  for (const parameter of capture.methodParameters) {
    parameter.value = Buffer.from(parameter.value, 'base64')
  }
  return capture
}
