data "aws_partition" "this" {}

data "aws_caller_identity" "this" {}

locals {
  # Nothing, if the module is to create nothing.
  regions = { for region, about in var.regions : region => about if var.create }

  # Roles are global in an account, so names contain the region.
  names = { for region in keys(var.regions) : region => "${var.name}-${region}" }

  # Seconds from one invocation to the next.
  intervals = {
    for region, about in var.regions : region => coalesce(about.interval, try(
      60 * tonumber(regex("^rate\\((\\d+) minutes?\\)$", about.schedule)[0]),
      3600 * tonumber(regex("^rate\\((\\d+) hours?\\)$", about.schedule)[0]),
      # Never used: a cron() requires an interval.
      60,
    ))
  }

  # The maximum age of an event: all attempts fit, plus a minute. Lambda waits one minute before the first retry and two
  # before the second, and drops events that are older, after at most six hours.
  event_ages = {
    for region, about in var.regions : region => min(max(240 + 3 * about.timeout, local.intervals[region]), 21600)
  }

  # ARNs for policies. They are composed here, so that a plan shows the policies: those of resources are unknown until the
  # resources are created.
  arns = {
    for region, name in local.names : region => {
      for resource, tail in {
        function       = "lambda:${region}:${data.aws_caller_identity.this.account_id}:function:${name}"
        alias          = "lambda:${region}:${data.aws_caller_identity.this.account_id}:function:${name}:${local.alias}"
        log_group      = "logs:${region}:${data.aws_caller_identity.this.account_id}:log-group:/aws/lambda/${name}"
        spool          = "sqs:${region}:${data.aws_caller_identity.this.account_id}:${name}-spool"
        schedule_group = "scheduler:${region}:${data.aws_caller_identity.this.account_id}:schedule-group/${name}"
        node_token     = "ssm:${region}:${data.aws_caller_identity.this.account_id}:parameter/${var.name}/${region}/node-token"
        api_key        = "ssm:${region}:${data.aws_caller_identity.this.account_id}:parameter/${var.name}/${region}/api-key"
      } : resource => "arn:${data.aws_partition.this.partition}:${tail}"
    }
  }
}
