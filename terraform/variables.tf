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
