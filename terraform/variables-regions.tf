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
