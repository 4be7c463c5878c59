/**
 * What one HTTP/1 head or body may cost the process. Defaults: hardening 2; the first five come from `[servers.*]`.
 */
export interface Limits {
  /** Bytes of a whole request head. Beyond: 431. */
  readonly headBytes: number
  /** Bytes of the request line (beyond: 414) and of one field line (beyond: 431). */
  readonly lineBytes: number
  /** Field lines in a head, dropped ones included, and names in its `Connection`. Beyond: 431. */
  readonly fieldCount: number
}

export const REQUEST_LIMITS: Limits = { headBytes: 32 * 1024, lineBytes: 8 * 1024, fieldCount: 100 }

/** What an upstream's response head may cost. Beyond: 502. */
export const RESPONSE_LIMITS: Limits = { headBytes: 64 * 1024, lineBytes: 64 * 1024, fieldCount: 200 }

export const MAX_CHUNK_SIZE_DIGITS = 8
export const MAX_CHUNK_EXTENSION_BYTES = 256
export const MAX_BODY_EXTENSION_BYTES = 16 * 1024
export const MAX_TRAILER_BYTES = 8 * 1024
export const MAX_TRAILER_FIELDS = 32
/** Interim (1xx) responses to one request. Beyond: 502. */
export const MAX_INTERIM_RESPONSES = 20
