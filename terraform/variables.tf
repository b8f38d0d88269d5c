variable "create" {
  description = "Whether to create anything."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "The name of all resources, or the prefix of their names."
  type        = string
  default     = "easytier-uptime"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,31}$", var.name))
    error_message = "The name is at most 32 lower-case letters, digits and hyphens, and begins with a letter: the names of roles end at 64."
  }
}

variable "regions" {
  description = <<-EOT
    The regions to check from. The key is the AWS region, such as eu-central-1.

    schedule: when to check, a rate() or cron() expression of EventBridge Scheduler.
    interval: seconds from one invocation to the next. Derived from a rate(); required with a cron().
    timezone: of a cron(), such as Europe/Berlin.
    flexible_window: the minutes within which Scheduler may choose the time of each invocation, at most a quarter of the
      interval; exactly on time if null.
    enabled: false pauses the schedule and keeps everything else.
    function_version: the published version that the schedule invokes, to roll back; the newest if null.
    memory, timeout: of the function, in MB and seconds.
    concurrency: the maximum number of concurrent invocations; -1 sets no limit.
    vpc: the subnets and security groups of the function, and whether it also uses IPv6; outside any VPC if null.
    probe_region: the region's name at the hub; the AWS region if null.
    server_id: the probe's name at the hub; 'name' and the AWS region if null.
    node_token_arn: an existing SSM parameter or Secrets Manager secret in the same region that holds the node token.
      If null, the module creates a parameter from 'node_tokens'.
    api_key_arn: the same for the API key, for backends that require one.
    kms_keys: your keys in the same region that encrypt the secrets, the function's environment, its logs and its queues;
      keys of AWS where null.
    function_role_arn, schedule_role_arn: existing roles; the module creates roles if null. The output 'policies' has the
      policies that they need.
    alarm_topic_arn: the SNS topic in the same region that is notified of alarms.
    environment: further environment variables, or other values for those that the module sets.
  EOT
  type = map(object({
    schedule         = optional(string, "rate(1 minute)")
    interval         = optional(number)
    timezone         = optional(string, "UTC")
    flexible_window  = optional(number)
    enabled          = optional(bool, true)
    function_version = optional(number)
    memory           = optional(number, 256)
    timeout          = optional(number, 50)
    concurrency      = optional(number, -1)
    vpc = optional(object({
      subnet_ids         = set(string)
      security_group_ids = set(string)
      ipv6               = optional(bool, false)
    }))
    probe_region   = optional(string)
    server_id      = optional(string)
    node_token_arn = optional(string)
    api_key_arn    = optional(string)
    kms_keys = optional(object({
      secrets     = optional(string)
      environment = optional(string)
      logs        = optional(string)
      queues      = optional(string)
    }), {})
    function_role_arn = optional(string)
    schedule_role_arn = optional(string)
    alarm_topic_arn   = optional(string)
    environment       = optional(map(string), {})
  }))
  nullable = false

  validation {
    condition     = length(var.regions) > 0
    error_message = "At least one region is needed."
  }

  validation {
    condition     = alltrue([for region in keys(var.regions) : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "A key of 'regions' is an AWS region, such as eu-central-1."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) :
      can(regex("^(rate\\((1 (minute|hour)|([2-9]|[1-9][0-9]+) (minutes|hours))\\)|cron\\([^ ]+( [^ ]+){5}\\))$", about.schedule))
    ])
    error_message = "A schedule is rate(1 minute), rate(5 minutes), rate(1 hour), rate(2 hours) and so on, or a cron() with six fields."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : !startswith(about.schedule, "cron(") || about.interval != null
    ])
    error_message = "A region with a cron() schedule needs an 'interval': the seconds from one invocation to the next."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : about.interval == null || try(about.interval >= 60 && about.interval <= 28800, false)
    ])
    error_message = "An interval is 60 to 28800 seconds: a schedule cannot be finer than a minute, and an alarm looks back at most a day."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : try(
        tonumber(regex("^rate\\((\\d+) minutes?\\)$", about.schedule)[0]) <= 480,
        tonumber(regex("^rate\\((\\d+) hours?\\)$", about.schedule)[0]) <= 8,
        true,
      )
    ])
    error_message = "A rate is at most 8 hours: the alarm for missing invocations looks back at most a day."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) :
      about.timezone == "UTC" || (startswith(about.schedule, "cron(") && can(regex("^[A-Za-z]+(/[A-Za-z0-9_+-]+)+$", about.timezone)))
    ])
    error_message = "A timezone is a name such as Europe/Berlin, and is for a cron(): a rate() has none."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : about.flexible_window == null || try(
        about.flexible_window >= 1 && floor(about.flexible_window) == about.flexible_window
        && 4 * 60 * about.flexible_window <= coalesce(about.interval, try(
          60 * tonumber(regex("^rate\\((\\d+) minutes?\\)$", about.schedule)[0]),
          3600 * tonumber(regex("^rate\\((\\d+) hours?\\)$", about.schedule)[0]),
          0,
        )),
        false,
      )
    ])
    error_message = "A flexible_window is a whole number of minutes, at least 1, and at most a quarter of the interval: after three quarters a peer is due again."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : about.function_version == null || try(about.function_version >= 1 && floor(about.function_version) == about.function_version, false)
    ])
    error_message = "A function_version is the number of a published version: 1, 2, 3 and so on."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : about.vpc == null || try(
        length(about.vpc.subnet_ids) > 0 && length(about.vpc.security_group_ids) > 0
        && alltrue([for id in about.vpc.subnet_ids : startswith(id, "subnet-")])
        && alltrue([for id in about.vpc.security_group_ids : startswith(id, "sg-")]),
        false,
      )
    ])
    error_message = "A vpc has at least one subnet and one security group, by their ids."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : about.memory >= 128 && about.memory <= 10240 && floor(about.memory) == about.memory
    ])
    error_message = "Memory is 128 to 10240 MB."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : about.timeout >= 15 && about.timeout <= 900 && floor(about.timeout) == about.timeout
    ])
    error_message = "A timeout is 15 to 900 seconds: a shorter one leaves no time for a check and its report."
  }

  validation {
    condition     = alltrue([for about in values(var.regions) : about.concurrency == -1 || about.concurrency >= 1])
    error_message = "Concurrency is 1 or more, or -1 for no limit; pause a region with 'enabled'."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : alltrue([
        for text in [about.probe_region, about.server_id] :
        text == null || can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", text))
      ])
    ])
    error_message = "A probe_region and a server_id are at most 64 letters, digits, dots, underscores and hyphens."
  }

  validation {
    condition = alltrue([
      for region, about in var.regions : alltrue([
        for arn in [about.node_token_arn, about.api_key_arn] :
        arn == null || can(regex("^arn:[^:]+:(ssm:${region}:[0-9]{12}:parameter/.+|secretsmanager:${region}:[0-9]{12}:secret:.+)$", arn))
      ])
    ])
    error_message = "A secret is the ARN of an SSM parameter or of a Secrets Manager secret in the region that uses it."
  }

  validation {
    condition = alltrue(flatten([
      for region, about in var.regions : [
        for key in values(about.kms_keys) : key == null || can(regex("^arn:[^:]+:kms:${region}:[0-9]{12}:key/.+$", key))
      ]
    ]))
    error_message = "A key in 'kms_keys' is the ARN of a key (not of an alias) in the region that uses it."
  }

  validation {
    condition = alltrue(flatten([
      for about in values(var.regions) : [
        for arn in [about.function_role_arn, about.schedule_role_arn] :
        arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", arn))
      ]
    ]))
    error_message = "A function_role_arn and a schedule_role_arn are ARNs of roles."
  }

  validation {
    condition = alltrue([
      for region, about in var.regions :
      about.alarm_topic_arn == null || can(regex("^arn:[^:]+:sns:${region}:[0-9]{12}:[^:]+$", about.alarm_topic_arn))
    ])
    error_message = "An alarm_topic_arn is the ARN of an SNS topic in the region of its alarms."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : alltrue([
        for name in keys(about.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !startswith(name, "AWS_")
      ])
    ])
    error_message = "Names of environment variables are upper-case letters, digits and underscores; the prefix AWS_ is reserved."
  }

  validation {
    condition = alltrue([
      for about in values(var.regions) : length(setintersection(keys(about.environment), ["NODE_TOKEN", "API_KEY", "SPOOL_QUEUE_URL"])) == 0
    ])
    error_message = "Give secrets by 'node_tokens', 'node_token_arn' and the like, never in plain text; the module sets the spool queue."
  }
}

variable "backend_base_url" {
  description = "The hub's base URL; several, comma-separated, are tried in order."
  type        = string
  nullable    = false

  validation {
    condition     = alltrue([for url in split(",", var.backend_base_url) : can(regex("^https://[^/\\s]+(/[^\\s]*)?$", trimspace(url)))])
    error_message = "The hub's URL begins with https://, because every request carries the node token through the internet."
  }
}

variable "package_path" {
  description = "The function's zip file for all regions, built by 'cargo lambda build --output-format zip' or from a release. Or give 'package_s3'."
  type        = string
  default     = null

  validation {
    condition     = var.package_path == null || try(fileexists(var.package_path), false)
    error_message = "The file does not exist; build or download it first."
  }

  validation {
    condition     = !var.create || (var.package_path == null) != (var.package_s3 == null)
    error_message = "The function needs its zip file, either as 'package_path' or as 'package_s3'."
  }
}

variable "package_s3" {
  description = <<-EOT
    The function's zip file in S3, with 'package_sha256'.

    buckets: AWS region → the bucket in that region. Lambda reads no bucket of another region.
    key: of the object in each bucket.
    version: of the object, for versioned buckets; replicas have the same version.
  EOT
  type = object({
    buckets = map(string)
    key     = string
    version = optional(string)
  })
  default = null

  validation {
    condition     = var.package_s3 == null || try(alltrue([for region in keys(var.regions) : length(var.package_s3.buckets[region]) > 0]), false)
    error_message = "Each region needs a bucket in 'package_s3.buckets'."
  }
}

variable "package_sha256" {
  description = "The SHA-256 of the zip file in hex, as SHA256SUMS of a release has it. A zip file that differs is refused when planning. Required with 'package_s3'; the object must have been uploaded with --checksum-algorithm SHA256."
  type        = string
  default     = null

  validation {
    condition     = var.package_sha256 == null || can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "A SHA-256 is 64 hex digits in lower case."
  }

  validation {
    condition     = var.package_s3 == null || var.package_sha256 != null
    error_message = "'package_s3' needs 'package_sha256'."
  }

  validation {
    condition     = var.package_path == null || var.package_sha256 == null || try(filesha256(var.package_path) == var.package_sha256, false)
    error_message = "The zip file has another SHA-256."
  }
}

variable "architecture" {
  description = "The architecture of the zip file: arm64 (cheaper) or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
}

variable "node_tokens" {
  description = "AWS region → the node token of its probe, for regions without a node_token_arn. Stored in an SSM parameter, never in the state."
  type        = map(string)
  default     = {}
  nullable    = false
  sensitive   = true
  ephemeral   = true

  validation {
    condition = alltrue([
      for region, about in local.regions : about.node_token_arn != null || try(length(var.node_tokens[region]) > 0, false)
    ])
    error_message = "Each region needs a node token, in 'node_tokens' or as 'node_token_arn'."
  }

  validation {
    condition = alltrue([
      for region in keys(var.node_tokens) : try(var.regions[region].node_token_arn == null, false)
    ])
    error_message = "A token in 'node_tokens' is for a region that is not in 'regions', or that has a 'node_token_arn'."
  }
}

variable "store_api_key" {
  description = "Whether to store 'api_key' in an SSM parameter for regions without an api_key_arn."
  type        = bool
  default     = false
  nullable    = false
}

variable "api_key" {
  description = "The API key for reading peers, for backends that require one; see 'store_api_key'. Never in the state."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.store_api_key == try(length(var.api_key) > 0, false)
    error_message = "'api_key' and 'store_api_key' belong together: set both or neither."
  }
}

variable "secrets_version" {
  description = "Raise it when 'node_tokens' or 'api_key' changes: Terraform does not see that itself, because the values are not in the state."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.secrets_version >= 1 && floor(var.secrets_version) == var.secrets_version
    error_message = "The version of the secrets is 1, 2, 3 and so on."
  }
}

variable "permissions_boundary" {
  description = "The ARN of the policy that limits the roles that the module creates."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:[^:]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "A permissions boundary is the ARN of a policy."
  }
}

variable "role_path" {
  description = "The path of the roles that the module creates."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-.0-~]+/)*$", var.role_path))
    error_message = "A path of roles begins and ends with a slash."
  }
}

variable "tracing_mode" {
  description = "Active records invocations in X-Ray; PassThrough only those that somebody else traces."
  type        = string
  default     = "PassThrough"
  nullable    = false

  validation {
    condition     = contains(["Active", "PassThrough"], var.tracing_mode)
    error_message = "The tracing mode is Active or PassThrough."
  }
}

variable "report_style" {
  description = "How results are reported; auto detects what the backend supports."
  type        = string
  default     = "auto"
  nullable    = false

  validation {
    condition     = contains(["auto", "results", "status", "per-node", "neo"], var.report_style)
    error_message = "The report style is auto, results, status, per-node or neo."
  }
}

variable "check_timeout" {
  description = "The timeout of a check, such as 5s or 500ms."
  type        = string
  default     = "5s"
  nullable    = false

  validation {
    condition     = can(regex("^([1-9][0-9]?s?|[1-9][0-9]{2,4}ms)$", var.check_timeout))
    error_message = "A check's timeout is 1 to 99 seconds (5 or 5s), or 100ms to 99999ms."
  }
}

variable "check_pings" {
  description = "How many pings a check sends."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.check_pings >= 1 && var.check_pings <= 100 && floor(var.check_pings) == var.check_pings
    error_message = "A check sends 1 to 100 pings."
  }
}

variable "check_concurrency" {
  description = "The maximum number of concurrent checks. There are never more than 468, because Lambda allows 1024 file descriptors, and look-ups and peers with several addresses need some too."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.check_concurrency >= 1 && var.check_concurrency <= 900 && floor(var.check_concurrency) == var.check_concurrency
    error_message = "The concurrency of checks is 1 to 900: Lambda allows 1024 file descriptors."
  }
}

variable "allow_private_peers" {
  description = "Whether a peer may have a private address."
  type        = bool
  default     = false
  nullable    = false
}

variable "self_check_targets" {
  description = "Servers by which the function recognises that it is cut off itself, such as https://example.com or tcp://192.0.2.1:443; the backend if there are none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for target in var.self_check_targets : can(regex("^(https?://[^/@,\\s]+(/[^,\\s]*)?|tcp://[^/@,\\s]+:[0-9]+)$", target))])
    error_message = "A target of the self-check is tcp://HOST:PORT, http://HOST or https://HOST."
  }
}

variable "allow_local_peers" {
  description = "Whether a peer may have a loopback, link-local or metadata address; for tests only."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_filter" {
  description = "The log level: error, warn, info, debug, trace, or a filter such as info,easytier_probe=debug."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_:]+(=[a-z]+)?(,[A-Za-z0-9_:]+(=[a-z]+)?)*$", var.log_filter))
    error_message = "A log filter is a level, or a comma-separated list of target=level."
  }
}

variable "log_retention_days" {
  description = "The retention of logs in days."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "retry_attempts" {
  description = "How many times a failed invocation is retried. Lambda waits one minute before the first retry and two before the second. The schedule invokes the function again anyway, so a retry is useful only for a rate of many minutes."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = contains([0, 1, 2], var.retry_attempts)
    error_message = "Lambda retries 0, 1 or 2 times."
  }
}

variable "spool_retention_days" {
  description = "How long results wait for an unreachable hub, in days. By default a hub rejects results older than 7 days."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.spool_retention_days >= 1 && var.spool_retention_days <= 14 && floor(var.spool_retention_days) == var.spool_retention_days
    error_message = "SQS keeps messages for 1 to 14 days."
  }
}

variable "spool_age_alarm" {
  description = "The age of the oldest result in the spool, in seconds, that raises the alarm."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.spool_age_alarm >= 60 && floor(var.spool_age_alarm) == var.spool_age_alarm
    error_message = "The age is a whole number of seconds, at least 60."
  }
}

variable "alarms" {
  description = "The alarms to create in each region."
  type        = set(string)
  default     = ["errors", "throttles", "silence", "nothing-checked", "none-online", "spool-age", "spool-dead-letters"]
  nullable    = false

  validation {
    condition = length(setsubtract(var.alarms, [
      "errors", "throttles", "silence", "nothing-checked", "none-online", "spool-age", "spool-dead-letters",
    ])) == 0
    error_message = "The alarms are errors, throttles, silence, nothing-checked, none-online, spool-age and spool-dead-letters."
  }
}

variable "dashboard" {
  description = "Whether to create a CloudWatch dashboard with a row of graphs for each region."
  type        = bool
  default     = false
  nullable    = false
}

variable "budget" {
  description = <<-EOT
    A monthly budget for what has one of the 'tags', if not null.

    monthly_usd: its limit in US dollars.
    tag: the key of that tag. Activate it as a cost allocation tag in the account that pays.
    emails: who is notified at 80 % of the limit, and when AWS forecasts that it will be exceeded.
  EOT
  type = object({
    monthly_usd = number
    tag         = string
    emails      = set(string)
  })
  default = null

  validation {
    condition     = var.budget == null || try(var.budget.monthly_usd > 0, false)
    error_message = "The limit of a budget is more than 0."
  }

  validation {
    condition     = var.budget == null || try(contains(keys(var.tags), var.budget.tag), false)
    error_message = "The tag of a budget is one of 'tags'."
  }

  validation {
    condition     = var.budget == null || try(length(var.budget.emails) >= 1 && length(var.budget.emails) <= 10, false)
    error_message = "A budget notifies 1 to 10 email addresses."
  }
}

variable "tags" {
  description = "Tags for everything that can have tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "function_tags" {
  description = "Further tags for the functions."
  type        = map(string)
  default     = {}
  nullable    = false
}
