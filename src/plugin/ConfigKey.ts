/**
 * The fingerprint that Pingap shows for a plugin's configuration: CRC-32 over its sorted keys and values. Spec:
 * plugins 1.5.
 *
 * It is for people and tools that compare what runs with what is written. Whether an instance survives a reload is
 * decided by comparing the configuration itself (`Plugins.ts`), where two different tables never collide.
 */

/** Upper-case hexadecimal CRC-32 (IEEE) of `key:value` lines in ascending key order, without leading zeros. */
export const configKey = (table: Readonly<Record<string, unknown>>): string => {
  const lines = Object.keys(table)
    .sort()
    .map((key) => `${key}:${inline(table[key])}`)
  return crc32(new TextEncoder().encode(lines.join("\n")))
    .toString(16)
    .toUpperCase()
}

/** A value as TOML writes it on one line. */
const inline = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`
  if (value instanceof Date) return value.toISOString()
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(([key, inner]) => `${key} = ${inline(inner)}`)
    return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`
  }
  return String(value)
}

const crc32 = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
