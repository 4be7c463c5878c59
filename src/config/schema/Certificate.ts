/**
 * `[certificates.<name>]`: a certificate with its key, or the order for one. Spec: config 9.
 */
import * as Schema from "effect/Schema"
import * as Values from "./Values.ts"

/** Texts of `dns_provider`, lower case, and the provider they name. */
const DNS_PROVIDERS = {
  "": "manual",
  manual: "manual",
  ali: "ali",
  aliyun: "ali",
  cf: "cf",
  cloudflare: "cf",
  tencent: "tencent",
  huawei: "huawei"
} as const

export const Certificate = Schema.Struct({
  domains: Values.optional(
    Values.Text,
    "Comma list of names that this certificate answers for. Unset: the names inside the certificate."
  ),
  tls_cert: Values.optional(Values.Text, "Certificate chain: PEM text, a file path, or base64 of the PEM text."),
  tls_key: Values.optional(Values.Text, "Private key: PEM text, a file path, or base64 of the PEM text."),
  is_default: Values.flagKey(false, "Whether it also answers when no name matches."),
  is_ca: Values.flagKey(false, "Whether it is an authority that mints leaf certificates on demand."),
  acme: Values.optional(Values.Text, "Any text turns ACME on, by convention `lets_encrypt`."),
  dns_challenge: Values.flagKey(false, "Whether ACME uses dns-01 instead of http-01."),
  dns_provider: Values.withDefault(
    Values.choice(DNS_PROVIDERS, "ali, cf, tencent, huawei or manual", {
      refuse: (text) => `Invalid dns_provider(${text}), expect one of: ali, cf, tencent, huawei, manual`
    }),
    "manual",
    "manual",
    "Who sets the dns-01 record: `ali`, `cf`, `tencent`, `huawei` or `manual`."
  ),
  dns_service_url: Values.optional(Values.Text, "Endpoint of the DNS provider with its credentials, or `$ENV:NAME`."),
  buffer_days: Values.withDefault(
    Values.U16,
    0,
    0,
    "Days before the end at which a certificate is renewed (0 is 2) and a warning is given (0 is 7)."
  ),
  remark: Values.optional(Values.Text, "Free text.")
}).annotate({ identifier: "Certificate", description: "A certificate, given or ordered with ACME." })

/** `[certificates.<name>]`, decoded. */
export type CertificateConf = typeof Certificate.Type
