/**
 * `[basic]`: what concerns the whole process. Spec: config 4.
 */
import * as Schema from "effect/Schema"
import * as Values from "./Values.ts"

/** Categories of notifications. Spec: runtime 15. */
export const NOTIFICATIONS = [
  "backend_status",
  "upstream_status",
  "service_discover_fail",
  "tls_validity",
  "parse_certificate_fail",
  "lets_encrypt",
  "diff_config",
  "reload_config",
  "reload_config_fail",
  "restart",
  "restart_fail"
] as const

export const Basic = Schema.Struct({
  name: Values.optional(Values.Text, "Name of this instance, for people."),
  error_template: Values.withDefault(
    Values.Text,
    "",
    "",
    "Body of generated error responses, with `{{version}}`, `{{content}}` and `{{error_type}}`. Empty: the built-in page."
  ),
  pid_file: Values.optional(
    Values.Text,
    "File for the process id, written in the background only. Unset: the first writable of `/run/pingap.pid`, " +
      "`/var/run/pingap.pid`, `/tmp/pingap.pid`."
  ),
  error_log: Values.optional(Values.Text, "File that receives standard error when running in the background."),
  upgrade_sock: Values.withDefault(
    Values.Text,
    "/tmp/pingap_upgrade.sock",
    "/tmp/pingap_upgrade.sock",
    "Unix socket over which a new process takes the listening sockets of the old one."
  ),
  user: Values.optional(Values.Text, "User to become when running in the background."),
  group: Values.optional(Values.Text, "Group to become when running in the background."),
  threads: Values.withDefault(Values.Count, 1, 1, "Worker threads. 0 means 1."),
  work_stealing: Values.flagKey(true, "Accepted for compatibility; has no effect here."),
  listener_tasks_per_fd: Values.withDefault(Values.Count, 1, 1, "Accepted for compatibility; has no effect here."),
  grace_period: Values.durationKey(300_000, "Time for running requests between the signal to stop and the end."),
  graceful_shutdown_timeout: Values.durationKey(5_000, "Time for what still runs after the grace period."),
  upstream_keepalive_pool_size: Values.withDefault(
    Values.Count,
    128,
    128,
    "Idle connections that are kept to each backend."
  ),
  trusted_proxies: Values.optional(
    Values.Texts,
    "Addresses and networks whose forwarding headers count. Unset: loopback and private ranges."
  ),
  webhook: Values.withDefault(Values.Text, "", "", "URL that receives notifications."),
  webhook_type: Values.optional(Values.Text, "Form of notifications: `wecom`, `dingtalk`; else generic JSON."),
  webhook_notifications: Values.withDefault(
    Values.Texts,
    [],
    [],
    "Categories of notifications that are sent; an empty list sends nothing."
  ),
  log_level: Values.optional(
    Values.Text,
    "Comma list of log levels, `info` or `info,pingap::proxy=debug`. Unset: the environment, else `info`."
  ),
  log_buffered_size: Values.sizeKey(0, "Buffer of log files; below 4096 every line is written at once."),
  log_format_json: Values.flagKey(false, "Whether log lines are JSON."),
  sentry: Values.optional(Values.Text, "DSN of a Sentry project that receives errors."),
  pyroscope: Values.optional(Values.Text, "URL of a Pyroscope server that receives profiles."),
  auto_restart_check_interval: Values.durationKey(
    90_000,
    "Accepted for compatibility; has no effect here: changes are noticed within a second."
  ),
  log_compress_algorithm: Values.optional(Values.Text, "Compression of old log files: `gzip` or `zstd`. Unset: none."),
  log_compress_level: Values.withDefault(Values.U8, 0, 0, "Compression level; 0 is the default (gzip 9, zstd 9)."),
  log_compress_days_ago: Values.withDefault(
    Values.Count,
    0,
    0,
    "Age in days at which log files are compressed; 0 is 7."
  ),
  log_compress_time_point_hour: Values.withDefault(Values.U8, 0, 0, "Local hour in which log files are compressed.")
}).annotate({ identifier: "Basic", description: "Settings of the whole process." })

/** `[basic]`, decoded: durations in milliseconds, sizes in bytes. */
export type BasicConf = typeof Basic.Type
